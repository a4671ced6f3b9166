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
from transformers import AutoModelForSpeechSeq2Seq, AutoProcessor

processor = AutoProcessor.from_pretrained(MODEL, revision=REVISION)
model = AutoModelForSpeechSeq2Seq.from_pretrained(MODEL, revision=REVISION, dtype=getattr(torch, DTYPE)).eval()

{READ}

@torch.inference_mode()
def answer(path):  # up to 30 seconds; llms cuts longer recordings at silence
    rate = processor.feature_extractor.sampling_rate
    features = processor(read(path, rate), sampling_rate=rate, return_tensors="pt")
    words = model.generate(**features, **({{"language": SOURCE}} if SOURCE else {{}}))
    return processor.batch_decode(words, skip_special_tokens=True)[0].strip()
"""

SEEING = """
import torch
from PIL import Image
from transformers import AutoImageProcessor, AutoModelForImageClassification

processor = AutoImageProcessor.from_pretrained(MODEL, revision=REVISION, backend="pil")
model = AutoModelForImageClassification.from_pretrained(MODEL, revision=REVISION, dtype=getattr(torch, DTYPE)).eval()


@torch.inference_mode()
def answer(path):
    pixels = processor(images=[Image.open(path).convert("RGB")], return_tensors="pt")
    return model.config.id2label[int(model(**pixels).logits[0].argmax())]
"""

MEDIA = {"hearing": HEARING, "transcription": TRANSCRIPTION, "seeing": SEEING}
