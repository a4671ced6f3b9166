"""Scripts for special models over sounds and pictures, by the module that does the same here."""

SOUND = """
from math import gcd

import soundfile
import torch
from scipy.signal import resample_poly
"""
READ = '''
def read(path, rate):
    """One channel at `rate` samples a second."""
    samples, own = soundfile.read(path, dtype="float32", always_2d=True)
    samples = samples.mean(1)
    shared = gcd(own, rate)
    return samples if own == rate else resample_poly(samples, rate // shared, own // shared).astype("float32")
'''

HEARING = f"""
{SOUND.strip()}
from transformers import AutoFeatureExtractor, AutoModelForAudioClassification

extractor = AutoFeatureExtractor.from_pretrained(MODEL, revision=REVISION)
model = AutoModelForAudioClassification.from_pretrained(MODEL, revision=REVISION, dtype=getattr(torch, DTYPE)).eval()

{READ}

@torch.inference_mode()
def answer(path):
    features = extractor(read(path, extractor.sampling_rate), sampling_rate=extractor.sampling_rate, return_tensors="pt")
    return model.config.id2label[int(model(**features).logits[0].argmax())]
"""

TRANSCRIPTION = f"""
{SOUND.strip()}
from transformers import AutoConfig, AutoFeatureExtractor, AutoModelForCTC, AutoModelForSpeechSeq2Seq, AutoTokenizer

extractor = AutoFeatureExtractor.from_pretrained(MODEL, revision=REVISION)
tokenizer = AutoTokenizer.from_pretrained(MODEL, revision=REVISION)
config = AutoConfig.from_pretrained(MODEL, revision=REVISION)
letters = any(kind.endswith("ForCTC") for kind in config.architectures or ())  # one symbol for each 20 ms or so
model = (AutoModelForCTC if letters else AutoModelForSpeechSeq2Seq).from_pretrained(
    MODEL, revision=REVISION, dtype=getattr(torch, DTYPE), use_safetensors=None if PICKLE else True
).eval()

{READ}

@torch.inference_mode()
def answer(path):  # up to 30 seconds; llms cuts longer recordings at silence, and tries again what repeats
    rate = extractor.sampling_rate
    whisper = model.config.model_type == "whisper"
    features = extractor(
        read(path, rate), sampling_rate=rate, return_tensors="pt", return_attention_mask=True,
        padding="max_length" if whisper else "longest",
    )
    if letters:
        return tokenizer.decode(model(**features).logits[0].argmax(-1), skip_special_tokens=False).strip()
    stated = model.generation_config.to_diff_dict()
    more = {{}} if "num_beams" in stated else {{"num_beams": 5}}
    if "max_new_tokens" not in stated and "max_length" not in stated:
        more["max_new_tokens"] = 256
    if whisper:
        more |= {{"return_timestamps": True}} if hasattr(model.generation_config, "no_timestamps_token_id") else {{}}
        more |= {{"language": SOURCE}} if SOURCE else {{}}
        more |= {{"task": "translate"}} if TARGET else {{}}
    words = model.generate(**features, **more)
    return tokenizer.decode(words[0], skip_special_tokens=True).strip()
"""

SPEAKING = """
import numpy as np
import soundfile
import torch
from transformers import AutoConfig, AutoModelForTextToSpectrogram, AutoModelForTextToWaveform, AutoTokenizer
from transformers import SpeechT5HifiGan

tokenizer = AutoTokenizer.from_pretrained(MODEL, revision=REVISION)
spectrogram = AutoConfig.from_pretrained(MODEL, revision=REVISION).model_type == "speecht5"
model = (AutoModelForTextToSpectrogram if spectrogram else AutoModelForTextToWaveform).from_pretrained(
    MODEL, revision=REVISION, dtype=getattr(torch, DTYPE), use_safetensors=None if PICKLE else True
).eval()
vocoder = SpeechT5HifiGan.from_pretrained(VOCODER) if spectrogram else None


def speaker():
    \"\"\"(1, D): the floats in the file VOICE, or a voice that the seed draws.\"\"\"
    size = model.config.speaker_embedding_dim
    if VOICE:
        return torch.from_numpy(np.load(VOICE).reshape(1, size).astype("float32"))
    drawn = torch.randn(1, size, generator=torch.Generator().manual_seed(SEED))
    return drawn / drawn.norm()


@torch.inference_mode()
def answer(text):  # a file; llms speaks more than 300 characters sentence by sentence
    tokens = tokenizer(text, return_tensors="pt")
    ids, mask = tokens["input_ids"], tokens["attention_mask"]
    torch.manual_seed(SEED)
    if spectrogram:
        wave = model.generate_speech(ids, speaker(), attention_mask=mask, vocoder=vocoder)
    else:
        several = {"speaker_id": int(VOICE or 0)} if model.config.num_speakers > 1 else {}
        wave = model(input_ids=ids, attention_mask=mask, **several).waveform
    file = f"text-to-speech-{INPUTS.index(text) + 1}.wav"
    soundfile.write(file, wave.float().numpy().reshape(-1), (vocoder or model).config.sampling_rate, subtype="PCM_16")
    return file
"""

OPEN = """
def opened(path):
    return ImageOps.exif_transpose(Image.open(path)).convert("RGB")  # upright, as its camera says
"""
SEEING = f"""
import torch
from PIL import Image, ImageOps
from transformers import AutoImageProcessor, AutoModelForImageClassification

processor = AutoImageProcessor.from_pretrained(MODEL, revision=REVISION, backend="pil")
model = AutoModelForImageClassification.from_pretrained(
    MODEL, revision=REVISION, dtype=getattr(torch, DTYPE), use_safetensors=None if PICKLE else True
).eval()

{OPEN}

@torch.inference_mode()
def answer(path):
    logits = model(**processor(images=[opened(path)], return_tensors="pt")).logits[0].float()
    return model.config.id2label[int(logits.argmax())]
"""
MATCHING = f"""
import torch
from PIL import Image, ImageOps
from transformers import AutoImageProcessor, AutoModelForZeroShotImageClassification, AutoTokenizer

processor = AutoImageProcessor.from_pretrained(MODEL, revision=REVISION, backend="pil")
tokenizer = AutoTokenizer.from_pretrained(MODEL, revision=REVISION)
model = AutoModelForZeroShotImageClassification.from_pretrained(
    MODEL, revision=REVISION, dtype=getattr(torch, DTYPE), use_safetensors=None if PICKLE else True
).eval()
texts = [HYPOTHESIS.replace("{{}}", label) for label in LABELS]
if "siglip" in model.config.model_type:
    sentences = tokenizer(texts, return_tensors="pt", padding="max_length", max_length=64, truncation=True)
else:
    sentences = tokenizer(texts, return_tensors="pt", padding=True, truncation=True)

{OPEN}

@torch.inference_mode()
def answer(path):  # the label whose sentence fits the picture best
    pixels = processor(images=[opened(path)], return_tensors="pt")
    return LABELS[int(model(**sentences, **pixels).logits_per_image[0].argmax())]
"""

DRAWING = """
import torch
from diffusers import AutoPipelineForText2Image

pipeline = AutoPipelineForText2Image.from_pretrained(
    MODEL, revision=REVISION, dtype=getattr(torch, DTYPE), use_safetensors=None if PICKLE else True
)


@torch.inference_mode()
def answer(text):  # a file
    drawn = pipeline(
        prompt=text, width=WIDTH, height=HEIGHT, num_inference_steps=STEPS,
        generator=torch.Generator("cpu").manual_seed(SEED),
    ).images[0]
    file = f"text-to-image-{INPUTS.index(text) + 1}.png"
    drawn.save(file)
    return file
"""

MEDIA = {
    "hearing": HEARING,
    "transcription": TRANSCRIPTION,
    "speaking": SPEAKING,
    "seeing": SEEING,
    "matching": MATCHING,
    "drawing": DRAWING,
}
