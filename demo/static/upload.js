// SPDX-FileCopyrightText: 2026 CESNET z.s.p.o.
// SPDX-License-Identifier: MIT

// Uploads a file in parts: Invenio says where each part goes, the parts go straight to the store, several at a time.

const LANES = 3;
const ATTEMPTS = 4;
const REFRESH_MILLISECONDS = 3000;
const TOKEN_KEY = "oarepo-s3-demo-token";

const element = (id) => document.getElementById(id);
let running = null;

// The terminal shows a link with the token behind "#": that part of an address is never sent to a server.
const handed = new URLSearchParams(location.hash.slice(1)).get("token");
if (handed) {
  sessionStorage.setItem(TOKEN_KEY, handed);
  history.replaceState(null, "", location.pathname);
}
element("token").value = sessionStorage.getItem(TOKEN_KEY) ?? "";
element("token-field").hidden = Boolean(handed ?? sessionStorage.getItem(TOKEN_KEY));

function say(text, isError = false) {
  element("message").textContent = text;
  element("message").classList.toggle("error", isError);
}

async function ask(method, url, body) {
  const token = element("token").value.trim();
  const headers = { Authorization: `Bearer ${token}`, Accept: "application/json" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const answer = await fetch(url, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  const facts = await answer.json().catch(() => ({}));
  if (answer.status === 401) {
    sessionStorage.removeItem(TOKEN_KEY);
    element("token-field").hidden = false;
    throw new Error("The token is not that of this run; the terminal shows it.");
  }
  if (!answer.ok) throw new Error(facts.message ?? `Invenio answers ${answer.status}.`);
  sessionStorage.setItem(TOKEN_KEY, token);
  return facts;
}

function putPart(url, blob, signal, onProgress) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const stop = () => request.abort();
    signal.addEventListener("abort", stop, { once: true });
    request.open("PUT", url);
    request.upload.onprogress = (event) => onProgress(event.loaded);
    request.onload = () => (request.status === 200 ? resolve() : reject(new Error(`The store answers ${request.status}.`)));
    request.onerror = () => reject(new Error("The store cannot be reached."));
    request.onabort = () => reject(new DOMException("paused", "AbortError"));
    request.onloadend = () => signal.removeEventListener("abort", stop);
    request.send(blob);
  });
}

class PartedUpload {
  constructor(session, file, signal) {
    this.session = session;
    this.file = file;
    this.signal = signal;
    this.urls = new Map(session.parts.map((part) => [part.part, part.url]));
    this.sent = new Map();
  }

  slice(number) {
    const start = (number - 1) * this.session.part_size;
    return this.file.slice(start, Math.min(start + this.session.part_size, this.file.size));
  }

  async missing() {
    const state = await ask("GET", this.session.parts_page_url);
    for (const part of state.parts) this.sent.set(part.part, part.size);
    const numbers = Array.from({ length: this.session.parts_count }, (_, index) => index + 1);
    return numbers.filter((number) => !this.sent.has(number));
  }

  async url(number) {
    if (!this.urls.has(number)) {
      const last = Math.min(number + 49, this.session.parts_count);
      const answer = await ask("POST", this.session.sign_url, { parts: `${number}-${last}` });
      for (const part of answer.parts) this.urls.set(part.part, part.url);
    }
    return this.urls.get(number);
  }

  async sendOne(number) {
    for (let attempt = 1; ; attempt += 1) {
      this.signal.throwIfAborted();
      try {
        await putPart(await this.url(number), this.slice(number), this.signal, (loaded) => this.progress(number, loaded));
        this.progress(number, this.slice(number).size);
        return;
      } catch (error) {
        if (this.signal.aborted || attempt === ATTEMPTS) throw error;
        this.progress(number, 0);
        this.urls.delete(number); // it may have expired
        await new Promise((resolve) => setTimeout(resolve, 500 * 2 ** attempt));
      }
    }
  }

  async send() {
    const numbers = await this.missing();
    const lane = async () => {
      while (numbers.length && !this.signal.aborted) await this.sendOne(numbers.shift());
    };
    await Promise.all(Array.from({ length: LANES }, lane));
    this.signal.throwIfAborted();
    return ask("POST", this.session.complete_url, {});
  }

  progress(number, bytes) {
    this.sent.set(number, bytes);
    const total = [...this.sent.values()].reduce((sum, size) => sum + size, 0);
    element("progress").value = total / this.file.size;
    say(`${this.file.name}: ${Math.floor((100 * total) / this.file.size)} % of ${this.session.parts_count} parts`);
  }
}

async function upload(file, recordUrl) {
  const opened = await ask("POST", `${recordUrl}/files/?multipart=True`, {
    key: file.name,
    size: file.size,
    multipart_content_type: file.type || "application/octet-stream",
    fingerprint: `${file.size}-${file.lastModified}`,
  });
  await new PartedUpload(opened.multipart_upload, file, running.signal).send();
}

function showRunning(isRunning) {
  element("start").disabled = isRunning;
  element("stop").hidden = !isRunning;
  element("progress").hidden = !isRunning;
}

element("upload-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const file = element("file").files[0];
  if (!file || running) return;
  if (file.size === 0) return say("The file is empty; there is nothing to send in parts.", true);
  running = new AbortController();
  showRunning(true);
  try {
    await upload(file, element("record").value);
    say(`${file.name} is complete.`);
  } catch (error) {
    running.abort(); // the other lanes
    if (error.name === "AbortError") say("Paused. Press Upload to go on with the same file.");
    else say(`${error.message} Press Upload to try again: what has arrived is kept.`, true);
  } finally {
    running = null;
    showRunning(false);
    await refresh();
  }
});

element("stop").addEventListener("click", () => running?.abort());

element("new-record").addEventListener("click", async () => {
  try {
    const title = `Draft of ${new Date().toLocaleTimeString()}`;
    const record = await ask("POST", "/draft/records/", { title });
    const option = new Option(`${record.id} · ${title}`, new URL(record.links.self).pathname, true, true);
    element("record").add(option, 0);
    await refresh();
  } catch (error) {
    say(error.message, true);
  }
});

element("overview").addEventListener("click", async (event) => {
  const url = event.target.dataset?.abort;
  if (!url) return;
  try {
    await ask("POST", url, {});
  } catch (error) {
    say(error.message, true);
  }
  await refresh();
});

async function refresh() {
  const answer = await fetch("/overview").catch(() => null);
  if (answer?.ok) element("overview").innerHTML = await answer.text();
}

setInterval(() => document.hidden || refresh(), REFRESH_MILLISECONDS);
