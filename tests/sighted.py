"""Small random models that see, with their processors, made in-process and saved as ordinary checkpoints."""

import io
from pathlib import Path

import torch

import tiny

VISION = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
LIST_TEMPLATE = (
    "{% for message in messages %}<|{{ message['role'] }}|>"
    "{% for part in message['content'] %}{% if part['type'] == 'image' %}<image>"
    "{% elif part['type'] == 'text' %}{{ part['text'] }}{% endif %}{% endfor %}\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def sizes(tokenizer, window=512):
    """Of the text part."""
    return {
        "vocab_size": len(tokenizer),
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "max_position_embeddings": window,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.eos_token_id,
    }


def tokenizer_with(*names: str, template: str = LIST_TEMPLATE):
    tokenizer = tiny.byte_tokenizer()
    tokenizer.add_special_tokens({"additional_special_tokens": list(names)})
    tokenizer.pad_token = tokenizer.eos_token
    tokenizer.chat_template = template
    return tokenizer


def save_llava(folder: Path, window: int = 512, template: str = LIST_TEMPLATE) -> Path:
    """A CLIP of 4 x 4 patches before a Llama: a picture is 16 tokens."""
    from transformers import (
        CLIPImageProcessorPil,
        CLIPVisionConfig,
        LlamaConfig,
        LlavaConfig,
        LlavaForConditionalGeneration,
        LlavaProcessor,
    )

    tokenizer = tokenizer_with("<image>", template=template)
    vision = CLIPVisionConfig(
        hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2, image_size=32, patch_size=8
    )
    config = LlavaConfig(
        vision_config=vision,
        text_config=LlamaConfig(**sizes(tokenizer, window)),
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
    )
    torch.manual_seed(3)
    model = LlavaForConditionalGeneration(config)
    tiny.draw_weights(model, 0.2)
    model.save_pretrained(folder)
    square = {"height": 32, "width": 32}
    processor = LlavaProcessor(
        CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size=square),
        tokenizer,
        patch_size=8,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=template,
    )
    processor.save_pretrained(folder)
    return folder


def picture(color: str = "red", size: tuple[int, int] = (40, 30), form: str = "PNG", mode: str = "RGB") -> bytes:
    """A picture of two colors, as a file."""
    from PIL import Image

    drawn = Image.new("RGB", size, color)
    drawn.paste("white", (0, 0, size[0] // 3, size[1] // 2))
    out = io.BytesIO()
    drawn.convert(mode).save(out, form)
    return out.getvalue()


def save_idefics(folder: Path, kind: str = "Idefics3") -> Path:
    """An Idefics3, whose pictures are cut into tiles of 4 tokens, and one of the whole; or a SmolVLM, which is the same with
    videos, saved without them, as its files lie on the hub."""
    import json

    import transformers

    tiles = [f"<row_{row}_col_{column}>" for row in range(1, 7) for column in range(1, 7)]
    tokenizer = tokenizer_with("<fake_token_around_image>", "<image>", "<end_of_utterance>", "<global-img>", *tiles)
    config = getattr(transformers, f"{kind}Config")(
        vision_config={**VISION, "image_size": 32, "patch_size": 8},
        text_config=transformers.LlamaConfig(**sizes(tokenizer, 1024)),
        scale_factor=2,
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        pad_token_id=tokenizer.pad_token_id,
    )
    torch.manual_seed(4)
    model = getattr(transformers, f"{kind}ForConditionalGeneration")(config)
    tiny.draw_weights(model, 0.2)
    model.save_pretrained(folder)
    images = getattr(transformers, f"{kind}ImageProcessorPil")(
        size={"longest_edge": 64}, max_image_size={"longest_edge": 32}
    )
    if kind == "Idefics3":
        processor = transformers.Idefics3Processor(images, tokenizer, image_seq_len=4, chat_template=LIST_TEMPLATE)
        processor.save_pretrained(folder)
        return folder
    images.save_pretrained(folder)
    tokenizer.chat_template = None
    tokenizer.save_pretrained(folder)
    (folder / "processor_config.json").write_text(
        json.dumps({"image_seq_len": 4, "processor_class": "SmolVLMProcessor"})
    )
    (folder / "chat_template.json").write_text(json.dumps({"chat_template": LIST_TEMPLATE}))
    return folder


def save_qwen(folder: Path) -> Path:
    """A Qwen2-VL, whose processor wants torchvision for its videos; saved without them, as its files lie on the hub."""
    import json

    from transformers import Qwen2VLConfig, Qwen2VLForConditionalGeneration, Qwen2VLImageProcessorPil

    template = LIST_TEMPLATE.replace("<image>", "<|vision_start|><|image_pad|><|vision_end|>")
    tokenizer = tokenizer_with(
        "<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>", template=template
    )
    ids = {
        name: tokenizer.convert_tokens_to_ids(f"<|{name}|>")
        for name in ("vision_start", "vision_end", "image_pad", "video_pad")
    }
    config = Qwen2VLConfig(
        text_config={
            **sizes(tokenizer),
            "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 3, 3]},
        },
        vision_config={"depth": 2, "embed_dim": 32, "hidden_size": 32, "num_heads": 2, "mlp_ratio": 2, "patch_size": 8},
        image_token_id=ids["image_pad"],
        video_token_id=ids["video_pad"],
        vision_start_token_id=ids["vision_start"],
        vision_end_token_id=ids["vision_end"],
    )
    torch.manual_seed(5)
    model = Qwen2VLForConditionalGeneration(config)
    tiny.draw_weights(model, 0.2)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    Qwen2VLImageProcessorPil(patch_size=8, size={"shortest_edge": 256, "longest_edge": 4096}).save_pretrained(folder)
    path = folder / "preprocessor_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "processor_class": "Qwen2VLProcessor"}))
    return folder


def save_vit(folder: Path, problem: str | None = None) -> Path:
    """A ViT with three labels."""
    from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessorPil

    labels = ["cat", "disc", "tree"]
    config = ViTConfig(
        **VISION,
        image_size=32,
        patch_size=8,
        id2label=dict(enumerate(labels)),
        label2id={label: number for number, label in enumerate(labels)},
        problem_type=problem,
    )
    torch.manual_seed(6)
    model = ViTForImageClassification(config)
    tiny.draw_weights(model, 0.3)
    model.save_pretrained(folder)
    ViTImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder


def save_clip(folder: Path, kind: str = "clip") -> Path:
    """A CLIP, or a SigLIP, which judges each label alone."""
    import transformers

    tokenizer = tiny.byte_tokenizer()
    tokenizer.pad_token = tokenizer.eos_token
    tokenizer.model_max_length = 64
    name = {"clip": "CLIP", "siglip": "Siglip"}[kind]
    text = {
        **VISION,
        "vocab_size": len(tokenizer),
        "max_position_embeddings": 64,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    seen = {**VISION, "image_size": 32, "patch_size": 8}
    more = {"projection_dim": 16} if kind == "clip" else {}
    config = getattr(transformers, f"{name}Config")(
        text_config={**text, **more}, vision_config={**seen, **more}, **more
    )
    torch.manual_seed(7)
    model = getattr(transformers, f"{name}Model")(config)
    tiny.draw_weights(model, 0.3)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    square = {"height": 32, "width": 32}
    size = {"size": {"shortest_edge": 32}, "crop_size": square} if kind == "clip" else {"size": square}
    getattr(transformers, f"{name}ImageProcessorPil")(**size).save_pretrained(folder)
    return folder


def save_captioner(folder: Path, kind: str) -> Path:
    """A BLIP, or a ViT before a GPT-2."""
    import transformers

    tokenizer = tiny.byte_tokenizer()
    tokenizer.pad_token = tokenizer.eos_token
    ids = {
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    seen = {**VISION, "image_size": 32, "patch_size": 8}
    torch.manual_seed(8)
    if kind == "blip":
        text = {
            **VISION,
            **ids,
            "vocab_size": len(tokenizer),
            "max_position_embeddings": 64,
            "sep_token_id": ids["eos_token_id"],
            "encoder_hidden_size": 32,
        }
        config = transformers.BlipConfig(text_config=text, vision_config=seen, projection_dim=16)
        model = transformers.BlipForConditionalGeneration(config)
    else:
        encoder = transformers.ViTConfig(**seen)
        decoder = transformers.GPT2Config(
            vocab_size=len(tokenizer), n_embd=32, n_layer=2, n_head=2, n_positions=64, **ids
        )
        config = transformers.VisionEncoderDecoderConfig.from_encoder_decoder_configs(encoder, decoder)
        config.decoder_start_token_id, config.pad_token_id = ids["bos_token_id"], ids["pad_token_id"]
        model = transformers.VisionEncoderDecoderModel(config)
        model.generation_config.decoder_start_token_id = ids["bos_token_id"]
        model.generation_config.pad_token_id = ids["pad_token_id"]
        model.generation_config.eos_token_id = ids["eos_token_id"]
    tiny.draw_weights(model, 0.3)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    processor = transformers.BlipImageProcessorPil if kind == "blip" else transformers.ViTImageProcessorPil
    processor(size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder


def save_diffusion(folder: Path) -> Path:
    """A Stable Diffusion that draws noise."""
    from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    plain = tiny.byte_tokenizer()
    vocabulary = {**plain.get_vocab(), "a</w>": len(plain)}
    tokenizer = CLIPTokenizer(
        vocab=vocabulary, merges=[], bos_token="<s>", eos_token="</s>", pad_token="</s>", unk_token="</s>"
    )
    tokenizer.model_max_length = 16
    torch.manual_seed(9)
    text = CLIPTextModel(CLIPTextConfig(**VISION, vocab_size=len(vocabulary) + 2, max_position_embeddings=16))
    unet = UNet2DConditionModel(
        sample_size=8,
        in_channels=4,
        out_channels=4,
        layers_per_block=1,
        block_out_channels=(32, 32),
        norm_num_groups=8,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=32,
    )
    coder = AutoencoderKL(
        block_out_channels=(16, 16),
        norm_num_groups=8,
        latent_channels=4,
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
    )
    pipeline = StableDiffusionPipeline(
        coder,
        text,
        tokenizer,
        unet,
        DDIMScheduler(steps_offset=1, clip_sample=False),
        None,
        None,
        requires_safety_checker=False,
    )
    pipeline.save_pretrained(folder)
    return folder
