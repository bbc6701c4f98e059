// Reading codes from the camera: the browser's own detector where there is one, else ZXing.

const EVERY_MS = 100;
const SAME_CODE_MS = 4000;
const WIDTH = 800;

async function ownDetector() {
  if (!("BarcodeDetector" in globalThis)) return null;
  const formats = await globalThis.BarcodeDetector.getSupportedFormats().catch(() => []);
  if (!formats.includes("qr_code")) return null;
  const detector = new globalThis.BarcodeDetector({ formats: ["qr_code"] });
  return async (video) => (await detector.detect(video))[0]?.rawValue ?? null;
}

function load(url) {
  return new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = url;
    script.addEventListener("load", resolve);
    script.addEventListener("error", () => reject(new Error("decoder")));
    document.head.append(script);
  });
}

async function zxing({ decoder, wasm }) {
  if (!globalThis.ZXingWASM) await load(decoder);
  const { prepareZXingModule, readBarcodes } = globalThis.ZXingWASM;
  await prepareZXingModule({ overrides: { locateFile: () => wasm }, fireImmediately: true });
  const canvas = document.createElement("canvas");
  const surface = canvas.getContext("2d", { willReadFrequently: true });
  const options = { formats: ["QRCode"], maxNumberOfSymbols: 1, tryInvert: false };
  return async (video) => {
    const scale = Math.min(1, WIDTH / video.videoWidth);
    canvas.width = Math.round(video.videoWidth * scale);
    canvas.height = Math.round(video.videoHeight * scale);
    surface.drawImage(video, 0, 0, canvas.width, canvas.height);
    const found = await readBarcodes(surface.getImageData(0, 0, canvas.width, canvas.height), options);
    return found.find((code) => code.isValid !== false && code.text)?.text ?? null;
  };
}

export class Camera {
  // `onEnd` is called when the phone takes the camera away: it was locked, or another page wants it.
  constructor(video, urls, { onCode, onEnd }) {
    this.video = video;
    this.urls = urls;
    this.onCode = onCode;
    this.onEnd = onEnd;
    this.stream = null;
    this.seen = { text: "", at: 0 };
  }

  get running() {
    return this.stream !== null;
  }

  // Throws an Error whose message is camera_insecure, camera_denied, camera_missing or camera_decoder.
  async start() {
    if (!navigator.mediaDevices?.getUserMedia) throw new Error("camera_insecure");
    try {
      this.stream = await navigator.mediaDevices.getUserMedia({
        audio: false,
        video: { facingMode: "environment", width: { ideal: 1280 }, height: { ideal: 720 } },
      });
    } catch (error) {
      throw new Error(error.name === "NotAllowedError" ? "camera_denied" : "camera_missing");
    }
    const [track] = this.stream.getVideoTracks();
    track.addEventListener("ended", () => { this.stop(); this.onEnd(); });
    this.video.srcObject = this.stream;
    await this.video.play();
    try {
      this.read ??= (await ownDetector()) ?? (await zxing(this.urls));
    } catch {
      throw new Error("camera_decoder");
    }
    this.loop();
  }

  stop() {
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    this.stream = null;
    this.video.srcObject = null;
  }

  async loop() {
    const { stream } = this;
    while (stream && this.stream === stream) {
      if (this.video.videoWidth && !document.hidden) {
        const text = await this.read(this.video).catch(() => null);
        if (text && this.stream === stream) this.found(text);
      }
      await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
    }
  }

  // The same code in front of the camera is one scan, until it was away for a while.
  found(text) {
    const now = performance.now();
    const again = text === this.seen.text && now - this.seen.at < SAME_CODE_MS;
    this.seen = { text, at: now };
    if (!again) this.onCode(text);
  }
}
