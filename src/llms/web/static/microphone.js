// The microphone, to a WAV file of 16,000 samples per second: what transcription takes without another library.

const RATE = 16000;
let running = null;

/** Begin with the first click, end with the second; `done` gets the file. */
export async function record(button, done) {
  if (running) {
    const end = running;
    running = null;
    button.setAttribute("aria-pressed", "false");
    button.ariaLabel = button.title = "Record";
    return end();
  }
  if (!navigator.mediaDevices?.getUserMedia) throw new Error("this browser gives pages no microphone here; attach an audio file instead");
  const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
  const context = new AudioContext();
  await context.audioWorklet.addModule("/static/recorder.js");
  const node = new AudioWorkletNode(context, "recorder");
  const chunks = [];
  node.port.onmessage = (event) => chunks.push(event.data);
  context.createMediaStreamSource(stream).connect(node);
  button.setAttribute("aria-pressed", "true");
  button.ariaLabel = button.title = "Stop recording";
  running = async () => {
    stream.getTracks().forEach((track) => track.stop());
    const rate = context.sampleRate;
    await context.close();
    await done(new File([wav(resample(chunks, rate))], "recording.wav", { type: "audio/wav" }));
  };
}

function resample(chunks, rate) {
  const whole = new Float32Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  let place = 0;
  for (const chunk of chunks) {
    whole.set(chunk, place);
    place += chunk.length;
  }
  const out = new Float32Array(Math.floor((whole.length * RATE) / rate));
  const step = rate / RATE;
  for (let i = 0; i < out.length; i++) {
    const from = Math.floor(i * step);
    const to = Math.max(from + 1, Math.floor((i + 1) * step));
    let sum = 0;
    for (let j = from; j < to; j++) sum += whole[j];
    out[i] = sum / (to - from);
  }
  return out;
}

export function wav(samples) {
  const view = new DataView(new ArrayBuffer(44 + samples.length * 2));
  const text = (at, words) => [...words].forEach((c, i) => view.setUint8(at + i, c.charCodeAt(0)));
  text(0, "RIFF");
  view.setUint32(4, 36 + samples.length * 2, true);
  text(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true);
  view.setUint16(22, 1, true);
  view.setUint32(24, RATE, true);
  view.setUint32(28, RATE * 2, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  text(36, "data");
  view.setUint32(40, samples.length * 2, true);
  samples.forEach((sample, i) => view.setInt16(44 + i * 2, Math.max(-1, Math.min(1, sample)) * 0x7fff, true));
  return view.buffer;
}
