#!/usr/bin/env python3
"""Makes the .hex files here with encoder.py. With --check it writes nothing and says which differ.

Needs nothing but Python."""

import argparse
import hashlib
import math
import pathlib
import struct
import sys

import exact_codebooks
from encoder import (FLT_MAX, U32, Context, bfloat16, bits_of, crc32c, encode, f32, floats, frame,
                     philox)

HERE = pathlib.Path(__file__).resolve().parent


# What the files hold.

def noise(count, stream, power=1, scale=0.25):
    """Sums of four uniform numbers, so nearly normal; a power above 1 gives them heavy tails."""
    values = []
    for i in range(count):
        x = sum(word >> 16 for word in philox(2024, (i, stream, 0, 0))) / 65536.0 - 2.0
        values.append(f32(scale * math.copysign(abs(x)**power, x)))
    return values


def scattered(count, kept, stream):
    """Zeros, but for `kept` numbers at random."""
    values = [0.0] * count
    for i, x in enumerate(noise(kept, stream)):
        values[philox(99, (i, stream, 0, 0))[0] % count] = x
    return values


def edge_values():
    return [0.0, -0.0, 1.5, -2.25, f32(0.1), f32(1e-40), -16.0, 2.0**-126, -(2.0**-149),
            f32(1 / 3), 2.0**-15, f32(-6.1e-5), 2.0**-24, 2.0**-25, 1.00048828125, 1.00146484375]


TENSORS = [60, 5, 100, 3, 32]
MASK = [(3, 40), (50, 1), (60, 90), (190, 10)]


def files():
    """Name, codec, context and values of each file."""
    plain, blocks = noise(100, 1), noise(520, 2)
    heavy, tensors = noise(400, 3, power=3), Context(tensors=TENSORS)
    zero_block = [0.0] * 256 + noise(10, 4)
    cases = [
        ("none", "none", edge_values()),
        ("none_empty", "none", []),
        ("float16", "float16", edge_values() + noise(30, 5)),
        ("bfloat16", "bfloat16", edge_values() + noise(30, 6) + [f32(3e38)]),
        ("quantize8", "quantize(8)", blocks),
        ("quantize4", "quantize(4)", blocks[:300] + edge_values()),
        ("quantize2_zeros", "quantize(2)", zero_block),
        ("quantize1", "quantize(1)", heavy[:270] + [-0.0, 0.0]),
        ("quantize3_stochastic", "quantize(3, stochastic)", blocks),
        ("quantize1_stochastic", "quantize(1, stochastic)", zero_block + [f32(1e-39)]),
        ("quantize8_stochastic_huge", "quantize(8, stochastic)", [FLT_MAX, -1e38, 1e30, 0.0]),
        ("quantize4_rans", "quantize(4)|rans", heavy),
        ("quantize2_rans", "quantize(2)|rans", heavy[:200]),
        ("quantize8_rans_interleaved", "quantize(8)|rans", scattered(4203, 150, 7)),
        ("qsgd4_128", "qsgd(4, 128)", blocks[:200]),
        ("qsgd7_512_rans", "qsgd(7, 512)|rans", zero_block[:256] + blocks[:400]),
        ("sign", "sign", plain + [0.0, -0.0]),
        ("sign_empty", "sign", []),
        ("topk", "topk(0.1)", heavy),
        ("topk_floor_float16", "topk(0.1, 4)|float16", tensors, noise(200, 8)),
        ("topk_floor_whole", "topk(0.02, 3)|bitpack", noise(90, 9)),
        ("topk_ties", "topk(0.3)|bfloat16|rice", [0.5, -0.5, 0.25] * 20),
        ("topk_ternary_rice", "topk(0.05)|ternary|rice", scattered(2000, 150, 10)),
        ("topk_ternary_rans", "topk(0.2)|ternary|rans", noise(301, 11)),
        ("topk_ternary_bitpack", "topk(0.2)|ternary|bitpack", noise(301, 11)),
        ("topk_ternary_rans_interleaved", "topk(0.002)|ternary|rans", scattered(33001, 100, 12)),
        ("topk_quantize4_rans", "topk(0.3)|quantize(4)|rans", heavy),
        ("topk_qsgd3_rice", "topk(0.25)|qsgd(3, 64)|rice", heavy[:350]),
        ("topk_empty", "topk(0.1)|ternary|rice", []),
        ("threshold", "threshold(0.2)", plain),
        ("threshold_ternary_rice", "threshold(0.35)|ternary|rice", plain),
        ("threshold_quantize8_rans", "threshold(0.2)|quantize(8)|rans", blocks[:300]),
        ("threshold_none_kept", "threshold(7)|quantize(3)|rans", plain[:20]),
        ("threshold_empty", "threshold(0.1)|ternary", []),
        ("randk", "randk(0.1)", plain),
        ("randk_most", "randk(0.7)|float16", plain),
        ("randk_unbiased", "randk(0.25, unbiased)|quantize(5)|rans", blocks[:300]),
        ("randk_strata", "randk(0.0002, unbiased)", scattered(70000, 300, 13)),
        ("rotate_eden1", "rotate|eden(1)", blocks[:300]),
        ("rotate_eden2", "rotate|eden(2)", blocks[:256]),
        ("rotate_eden2_rans", "rotate|eden(2)|rans", scattered(4600, 60, 14)),
        ("rotate_eden2_mse", "rotate|eden(2, mse)", blocks[:77]),
        ("rotate_eden3", "rotate|eden(3)|rans", blocks[:1]),
        ("rotate_eden3_rans", "rotate|eden(3)|rans", blocks[:511]),
        ("rotate_eden4", "rotate|eden(4)", blocks[:130]),
        ("rotate_eden4_rans", "rotate|eden(4)|rans", blocks[:500]),
        ("rotate_eden_0_3", "rotate|eden(0.3)", scattered(4596, 50, 15)),
        ("rotate_eden_0_9", "rotate|eden(0.9)", blocks[:100]),
        ("rotate_zeros", "rotate|eden(4)|rans", [0.0] * 50),
        ("rotate_ecsq2_rans", "rotate|ecsq(2)|rans", blocks[:513]),
        ("rotate_ecsq_0_5_rans", "rotate|ecsq(0.5, unbiased)|rans", scattered(5000, 60, 16)),
        ("rotate_ecsq1_rans", "rotate|ecsq(1)|rans", blocks[:300]),
        ("rotate_ecsq4_rans", "rotate|ecsq(4.5)|rans", scattered(5000, 40, 17)),
        ("rotate_quantize4_rans", "rotate|quantize(4)|rans", heavy),
        ("rotate_qsgd", "rotate|qsgd(2, 64)", plain),
        ("mask_quantize8", "mask|quantize(8)", Context(mask=MASK, tensors=TENSORS),
         noise(200, 18)),
        ("mask_topk_ternary_rice", "mask|topk(0.1, 2)|ternary|rice",
         Context(mask=MASK, tensors=TENSORS), noise(200, 19)),
        ("mask_rotate_eden2", "mask|rotate|eden(2)", Context(mask=MASK), noise(200, 20)),
        ("mask_all_topk", "mask|topk(0.1, 2)", tensors, noise(200, 21)),
        ("other_round", "rotate|eden(2)", Context(seed=1, round_number=2**32 - 1, version=U32),
         plain),
        ("other_client", "randk(0.1)|quantize(2, stochastic)", Context(client_id=""), plain),
        ("zstd", "quantize(8)|zstd", plain),
        ("zstd_topk_ternary", "mask|topk(0.1)|ternary|zstd(1)", Context(mask=MASK), noise(200, 22)),
    ]
    for case in cases:
        name, codec, *middle, values = case
        yield name, codec, (middle[0] if middle else Context()), values


def hex_lines(data):
    digits = data.hex()
    return [digits[i:i + 64] for i in range(0, len(digits), 64)]


def value_lines(values):
    """Hexadecimal digits, but `zeros N` for many that are +0."""
    lines, start = [], 0
    while start < len(values):
        end = start
        while end < len(values) and bits_of(values[end]) == 0:
            end += 1
        if end - start >= 12:
            lines.append(f"zeros {end - start}")
        else:
            end = start
            while end < len(values) and any(bits_of(v) for v in values[end:end + 12]):
                end += 1
            end = max(end, start + 1)
            lines += hex_lines(floats(values[start:end]))
        start = end
    return lines


def text_of(codec, context, values):
    payload, decoded = encode(codec, values, context)
    lines = [f"# codec {codec}", f"# model_version {context.version}", f"# seed {context.seed}",
             f"# round {context.round}", f"# client_id {context.client_id}".rstrip()]
    if context.tensors is not None:
        lines.append("# tensors " + " ".join(map(str, context.tensors)))
    if context.mask is not None:
        lines.append("# mask " + " ".join(f"{begin}+{size}" for begin, size in context.mask))
    lines += ["# values"] + value_lines(values)
    lines += ["# frame"] + hex_lines(frame(payload, len(values), context.version))
    # Of what the receiver gets, as f32.
    lines += ["# decoded_crc32c", f"{crc32c(floats(decoded)):08x}"]
    return "\n".join(lines) + "\n"


def residual_text(task, submodel, model_version, values, is_half):
    coordinates = (struct.pack(f"<{len(values)}H", *map(bfloat16, values)) if is_half
                   else floats(values))
    header = b"TERNRESI" + struct.pack("<IQQ", 2 if is_half else 1, model_version, len(values))
    header += hashlib.sha256(f"{task}\0{submodel}".encode()).digest()
    header += struct.pack("<I", crc32c(header + coordinates))
    return "\n".join([f"# residual of task {task}, submodel {submodel}, model version "
                      f"{model_version}, coordinates {', '.join(f'{v:g}' for v in values)}"]
                     + hex_lines(header + coordinates)) + "\n"


def all_texts():
    texts = {f"frames/{name}.hex": text_of(codec, context, values)
             for name, codec, context, values in files()}
    residual = ("quickstart", "heterofl(0.5)", 7)
    texts["residual.hex"] = residual_text(*residual, [1.5, -2.0, 0.0, 0.25], is_half=False)
    # 1 + 2^-8 lies between two numbers and is rounded to the even one, 1.
    texts["residual_bfloat16.hex"] = residual_text(*residual, [1.5, -2.0, 1.00390625, 0.1],
                                                   is_half=True)
    return texts


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    check = parser.parse_args().check
    texts = all_texts()
    if not check:
        (HERE / "frames").mkdir(exist_ok=True)
        for name, text in texts.items():
            (HERE / name).write_text(text)
        return 0
    there = {path.relative_to(HERE).as_posix(): path.read_text() for path in HERE.rglob("*.hex")}
    findings = exact_codebooks.check()
    findings += [f"tests/golden/{name}: not what this program makes"
                 for name in sorted(texts.keys() | there.keys())
                 if texts.get(name) != there.get(name)]
    for finding in findings:
        print(finding)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
