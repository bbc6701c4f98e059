// Sending scans in order, each under one id for all its attempts.
//
// A scan that does not get through is kept and sent again; the id makes that harmless, because the
// server answers a scan it has decided with the same decision. Nothing is written to the device:
// a scan may carry a document's number.

const TIMEOUT_MS = 5000;
const SLOW_MS = 1200;
const PAUSES_MS = [400, 800, 1500, 3000];
const GIVE_UP_MS = 60_000;
const TRY_AGAIN = new Set([408, 425, 429, 500, 502, 503, 504]);

export class Refused extends Error {
  constructor(status, problem) {
    super(problem?.title ?? String(status));
    this.status = status;
    this.problem = problem;
  }
}

const headers = () => ({
  accept: "application/json",
  "content-type": "application/json",
  "x-csrf-token": document.body.dataset.csrf,
});

export async function call(url, body, { timeout = TIMEOUT_MS, signal } = {}) {
  const limit = AbortSignal.timeout(timeout);
  const answer = await fetch(url, {
    method: body === undefined ? "GET" : "POST",
    headers: headers(),
    body: body === undefined ? undefined : JSON.stringify(body),
    cache: "no-store",
    redirect: "error",
    signal: signal ? AbortSignal.any([limit, signal]) : limit,
  });
  if (answer.ok) return answer.json();
  const problem = await answer.json().catch(() => null);
  throw new Refused(answer.status, problem);
}

const sleep = (ms, signal) =>
  new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => { clearTimeout(timer); resolve(); }, { once: true });
  });

export class Sender {
  // on: { working(scan), waiting(scan, count), answered(scan, answer), failed(scan, error), link(up) }
  constructor(url, on) {
    this.url = url;
    this.on = on;
    this.queue = [];
    this.busy = null;
    window.addEventListener("online", () => this.wakeUp?.());
  }

  send(scan) {
    this.queue.push(scan);
    if (this.busy) this.on.waiting(scan, this.queue.length);
    else this.run();
  }

  cancel() {
    const dropped = this.busy;
    this.queue = this.queue.filter((scan) => scan !== dropped);
    this.abort?.abort();
    return dropped;
  }

  async run() {
    while ((this.busy = this.queue[0] ?? null)) {
      const scan = this.busy;
      this.abort = new AbortController();
      await this.deliver(scan, this.abort.signal);
      if (this.queue[0] === scan) this.queue.shift();
    }
  }

  async deliver(scan, signal) {
    this.on.working(scan);
    const started = performance.now();
    for (let attempt = 0; ; attempt += 1) {
      // A network that answers nobody is as good as none: say so before the attempt ends.
      const slow = setTimeout(() => { this.on.link(false); this.on.waiting(scan, this.queue.length); }, navigator.onLine ? SLOW_MS : 0);
      try {
        const answer = await call(this.url, scan, { signal });
        clearTimeout(slow);
        this.on.link(true);
        this.on.answered(scan, answer, performance.now() - started);
        return;
      } catch (error) {
        clearTimeout(slow);
        if (signal.aborted) return;
        const final = error instanceof Refused && !TRY_AGAIN.has(error.status);
        if (final || performance.now() - started > GIVE_UP_MS) {
          this.on.link(error instanceof Refused);
          this.on.failed(scan, error);
          return;
        }
        this.on.link(false);
        this.on.waiting(scan, this.queue.length);
      }
      const pause = PAUSES_MS[Math.min(attempt, PAUSES_MS.length - 1)];
      await Promise.race([sleep(pause, signal), new Promise((resolve) => (this.wakeUp = resolve))]);
      if (signal.aborted) return;
    }
  }
}
