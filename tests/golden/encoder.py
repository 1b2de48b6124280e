"""An encoder of every codec, written from docs/wire-format.md alone."""

import decimal
import math
import struct

U32 = 0xFFFFFFFF
U64 = 0xFFFFFFFFFFFFFFFF
FLT_MAX = (2 - 2.0**-23) * 2.0**127
SMALLEST_NORMAL = 2.0**-126


# Numbers. Python's are f64; the result of one operation on f32 numbers, rounded again to f32, is
# that of the operation in f32.

def f32(x):
    return struct.unpack("<f", struct.pack("<f", x))[0]


def bits_of(x):
    return struct.unpack("<I", struct.pack("<f", x))[0]


def float_of(bits):
    return struct.unpack("<f", struct.pack("<I", bits))[0]


def f32_up(x):
    rounded = f32(x)
    return float_of(bits_of(rounded) + 1) if rounded < x else rounded


def bfloat16(x):
    return (bits_of(x) + 0x7FFF + (bits_of(x) >> 16 & 1)) >> 16


def scale_to_even(x):
    return bits_of(x) + 0x3FFF + (bits_of(x) >> 15 & 1) & ~0x7FFF


def sign_bit(x):
    return math.copysign(1.0, x) < 0


def floats(values):
    return struct.pack(f"<{len(values)}f", *values)


def lane_sum(numbers):
    lanes = [0.0] * 16
    for i, number in enumerate(numbers):
        lanes[i % 16] += number
    total = 0.0
    for lane in lanes:
        total += lane
    return total


def crc32c(data):
    crc = U32
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ U32


class BitWriter:
    def __init__(self):
        self.number = 0
        self.length = 0

    def write(self, number, length):
        self.number |= number << self.length
        self.length += length

    def bytes(self):
        return self.number.to_bytes((self.length + 7) // 8, "little")


# Random numbers.

def philox(key, counter):
    c0, c1, c2, c3 = counter
    k0, k1 = key & U32, key >> 32
    for _ in range(10):
        p0, p1 = 0xD2511F53 * c0, 0xCD9E8D57 * c2
        c0, c1, c2, c3 = p1 >> 32 ^ c1 ^ k0, p1 & U32, p0 >> 32 ^ c3 ^ k1, p0 & U32
        k0, k1 = (k0 + 0x9E3779B9) & U32, (k1 + 0xBB67AE85) & U32
    return c0, c1, c2, c3


def hash_client(client_id):
    h = 0xCBF29CE484222325
    for byte in client_id.encode():
        h = (h ^ byte) * 0x100000001B3 & U64
    h ^= h >> 33
    h = h * 0xFF51AFD7ED558CCD & U64
    return h ^ h >> 33


ROUNDING, ROTATION, SUBSETS = 5, 11, 12


class Context:
    def __init__(self, seed=0x0123456789ABCDEF, round_number=7, client_id="phone-17", version=3,
                 tensors=None, mask=None):
        self.seed, self.round, self.client_id, self.version = seed, round_number, client_id, version
        self.tensors, self.mask = tensors, mask

    def derived(self, purpose, client=None):
        client = hash_client(self.client_id) if client is None else client
        return philox(self.seed, (client & U32, client >> 32, self.round, purpose))

    def key(self, purpose, client=None):
        words = self.derived(purpose, client)
        return words[0] | words[1] << 32

    def rounding_key(self, u):
        d = self.derived(ROUNDING)
        words = philox(self.key(ROUNDING), (u // 2, 0, d[2], d[3]))
        return words[2 * u % 4] | words[2 * u % 4 + 1] << 32

    def subset(self, wanted, count, stream):
        key = self.key(SUBSETS)
        words = (philox(key, (stream, 0, i // 4, 0))[i % 4] for i in range(1 << 30))

        def below(m):
            while True:
                product = m * next(words)
                if product & U32 >= 2**32 % m:
                    return product >> 32

        left_out = wanted > count / 2
        drawn = set()
        for j in range(count - (count - wanted if left_out else wanted), count):
            t = below(j + 1)
            drawn.add(j if t in drawn else t)
        return sorted(set(range(count)) - drawn if left_out else drawn)


# Sparsifiers: which coordinates are kept.

def largest(values, first, size, kept):
    order = sorted(range(first, first + size), key=lambda i: (-abs(values[i]), i))
    return sorted(order[:kept])


def select(stage, values, context):
    name, arguments, _ = stage
    count = len(values)
    if count == 0:
        return []
    if name == "threshold":
        return [i for i in range(count) if abs(values[i]) >= f32(arguments[0])]
    if name == "topk" and len(arguments) == 1:
        return largest(values, 0, count, max(1, math.ceil(arguments[0] * count)))
    indices = []
    if name == "topk":
        first = 0
        for size in context.tensors or [count]:
            kept = min(max(math.ceil(arguments[0] * size), int(arguments[1])), size)
            indices += largest(values, first, size, kept)
            first += size
        return indices
    for begin, end, kept in strata(arguments[0], count):
        indices += [begin + i for i in context.subset(kept, end - begin, begin // 65536)]
    return indices


def strata(fraction, count):
    for begin in range(0, count, 65536):
        end = min(begin + 65536, count)
        yield begin, end, max(1, math.ceil(fraction * end) - math.ceil(fraction * begin))


def gather(stage, values, indices):
    kept = [values[i] for i in indices]
    if stage[2] != "unbiased":
        return kept
    factors = {begin: f32(f32(end - begin) / f32(size))
               for begin, end, size in strata(stage[1][0], len(values))}
    return [f32(x * factors[i // 65536 * 65536]) for i, x in zip(indices, kept)]


# Stage rotate.

def rotation_steps(count):
    size = 1 << (count.bit_length() - 1)
    starts = [0, 0] if size == count else [0, count - size] * 2
    return [(step, start, size) for step, start in enumerate(starts)]


def flip_signs(block, number, step, first, size, context):
    key = context.key(ROTATION, 0)
    for i in range(size):
        if i % 128 == 0:
            words = philox(key, (number, step, i // 128, 0))
        if words[i // 32 % 4] >> i % 32 & 1:
            block[first + i] = -block[first + i]


def hadamard(block, first, size):
    h = 1
    while h < size:
        for i in range(first, first + size):
            if (i - first) & h == 0:
                a, b = block[i], block[i + h]
                block[i], block[i + h] = f32(a + b), f32(a - b)
        h *= 2
    # The square root of an even power of two is exact; else to 50 digits.
    factor = f32(float(1 / decimal.Decimal(size).sqrt()))
    for i in range(first, first + size):
        block[i] = f32(block[i] * factor)


def rotate(block, number, context):
    block = list(block)
    for step, first, size in rotation_steps(len(block)):
        flip_signs(block, number, step, first, size, context)
        hadamard(block, first, size)
    return block


def rotate_back(block, number, context):
    block = list(block)
    for step, first, size in reversed(rotation_steps(len(block))):
        hadamard(block, first, size)
        flip_signs(block, number, step, first, size, context)
    return block


# Codebooks, with the arithmetic that the page prescribes.

def exp_of_minus(y):
    k = math.floor(y / math.log(2) + 0.5)
    r = (y - k * float.fromhex("0x1.62e42fefap-1")) - k * float.fromhex("0x1.cf79abc9e3b3ap-40")
    s = 1.0
    for n in range(18, 0, -1):
        s = 1.0 - (r / n) * s
    return math.ldexp(s, -k)


def density(x):
    return 0.39894228040143267794 * exp_of_minus(x * x / 2.0)


def tail(x):
    if x < 2.5:
        t = s = x
        for n in range(3, 80, 2):
            t = t * ((x * x) / n)
            s = s + t
        return 0.5 - density(x) * s
    f = x
    for n in range(80, 0, -1):
        f = x + n / f
    return density(x) / f


def log2(x):
    m, e = math.frexp(x)
    if m < math.sqrt(2) / 2:
        m, e = 2 * m, e - 1
    t = (m - 1.0) / (m + 1.0)
    s = 0.0
    for n in range(25, 0, -2):
        s = s * (t * t) + 1.0 / n
    return e + ((2.0 * t) * s) / math.log(2)


LLOYD_MAX = {
    1: [0.79788456080286535588],
    2: [0.45278003463649200941, 1.51041760849909540239],
    3: [0.24509417894422166819, 0.75600528120587727482, 1.34390927850499987518,
        2.15194570453698728535],
    4: [0.12839502985114701005, 0.38804829949029019659, 0.65675911853246338086,
        0.94234045648696137093, 1.25623119734717715246, 1.61804638602188262722,
        2.06901722653138657957, 2.73258957099516306902],
}


class Codebook:
    """Symbols' centroids and probabilities; `positive`: thresholds from 0 or the first above it."""

    def __init__(self, positive, centroids, step=None):
        self.positive, self.step = positive, step
        tails = [tail(t) for t in positive] + [0.0]
        above = [a - b for a, b in zip(tails, tails[1:])]
        if centroids is None:
            densities = [density(t) for t in positive] + [0.0]
            centroids = [(densities[i] - densities[i + 1]) / above[i] for i in range(len(above))]
        middle = [] if step is None else [1.0 - 2.0 * tails[0]]
        self.probabilities = above[::-1] + middle + above
        self.centroids = [-c for c in centroids[::-1]] + [0.0] * len(middle) + centroids

    def entropy(self):
        total = 0.0
        for p in self.probabilities:
            total -= p * log2(p)
        return total


def eden_codebook(bits):
    centroids = LLOYD_MAX[max(1, math.ceil(bits))]
    middles = [(a + b) / 2.0 for a, b in zip(centroids, centroids[1:])]
    return Codebook([0.0] + middles, centroids)


def uniform_codebook(step, outermost):
    return Codebook([(k + 0.5) * step for k in range(outermost)], None, step)


def ecsq_codebook(rate):
    k = math.floor(rate)
    outermost = max(1, math.ceil(1.125 * ((1.0 + (rate - k)) * 2.0**k) - 1.5))
    low, high = 1.0 / outermost, 8.0 / outermost
    for _ in range(28):
        middle = (low + high) / 2.0
        if uniform_codebook(middle, outermost).entropy() > rate:
            low = middle
        else:
            high = middle
    return uniform_codebook(low, outermost)


# Quantizers. Each has `alphabet` (0: no symbols), `block` and, where they are known, the
# `probabilities` of symbols; header(values); and encode(block, number of the block), which gives
# parameters, symbols and what they decode to.

class Floats:
    alphabet, block, probabilities = 0, 1024, None

    def __init__(self, name):
        self.name = name

    def header(self, values):
        return b""

    def encode(self, x, _):
        if self.name == "none":
            return b"", floats(x), x
        if self.name == "float16":
            sent = struct.pack(f"<{len(x)}e", *x)
            return b"", sent, list(struct.unpack(f"<{len(x)}e", sent))
        halves = [bfloat16(v) for v in x]
        return b"", struct.pack(f"<{len(x)}H", *halves), [float_of(h << 16) for h in halves]


class RandomRounding:
    def __init__(self, context):
        self.context, self.used = context, 0

    def next_key(self):
        self.used += 1
        return self.context.rounding_key(self.used - 1)

    def symbols(self, x, inverse, steps, zero, last):
        symbols = []
        for start in range(0, len(x), 256):
            key = self.next_key()
            for i, value in enumerate(x[start:start + 256]):
                word = philox(key, (0, 0, i // 8, 0))[i // 2 % 4]
                r = (word >> 16 if i % 2 else word) & 0x7FFF
                t = round(f32(f32(value * inverse) * f32(steps * 2.0**15))) + int(zero * 2**15)
                symbols.append((min(max(t, 0), last << 15) + r) >> 15)
        return symbols


class Quantize:
    block, probabilities = 256, None

    def __init__(self, bits, stochastic, context):
        self.bits = bits
        self.levels = max(1, 2**(bits - 1) - 1)
        self.alphabet = 2 if bits == 1 else 2 * self.levels + 1
        self.random = RandomRounding(context) if stochastic else None

    def header(self, values):
        return b""

    def encode(self, x, _):
        m = max(abs(v) for v in x)
        scale_bits = self.scale_bits(x, m) >> 15
        scale = float_of(scale_bits << 15)
        inverse = f32(1.0 / scale) if scale else 0.0
        if self.random is not None:
            half = 0.5 if self.bits == 1 else 1.0
            symbols = self.random.symbols(x, inverse, half, half * self.levels, self.alphabet - 1)
        elif self.bits == 1:
            symbols = [1 if v >= 0 else 0 for v in x]
        else:
            limit = self.levels
            symbols = [min(max(round(f32(v * inverse)), -limit), limit) + limit for v in x]
        unit = 2 if self.bits == 1 else 1
        decoded = [f32((unit * q - self.levels) * scale) for q in symbols]
        return struct.pack("<H", scale_bits), symbols, decoded

    def scale_bits(self, x, m):
        if self.random is not None:
            if m == 0:
                return 0
            bits = max(bits_of(f32(m / self.levels)) + 0x7FFF & ~0x7FFF, bits_of(SMALLEST_NORMAL))
            too_large = self.levels * float_of(bits) >= 2.0**128 if bits < 0x7F800000 else True
            return bits - 0x8000 if too_large else bits
        if self.bits == 1:
            bits = scale_to_even(f32(lane_sum(abs(v) for v in x) / len(x)))
            if bits > bits_of(m):
                bits = bits_of(m) & ~0x7FFF
        else:
            bits = bits_of(f32(m / self.levels)) & ~0x7FFF
        return bits if bits >= bits_of(SMALLEST_NORMAL) else 0


class Qsgd:
    probabilities = None

    def __init__(self, levels, bucket, context):
        self.levels, self.block, self.alphabet = levels, bucket, 2 * levels + 1
        self.random = RandomRounding(context)

    def header(self, values):
        return b""

    def encode(self, x, _):
        norm = f32_up(math.sqrt(lane_sum(v * v for v in x)))
        if norm > 0:
            norm = max(norm, SMALLEST_NORMAL)
        inverse = f32(1.0 / norm) if norm else 0.0
        levels = self.levels
        symbols = self.random.symbols(x, inverse, levels, levels, 2 * levels)
        share = f32(1.0 / levels)
        return floats([norm]), symbols, [f32(f32((q - levels) * share) * norm) for q in symbols]


class Sign:
    alphabet, block, probabilities = 2, 1024, [0.5, 0.5]

    def header(self, values):
        self.mean = f32(lane_sum(abs(v) for v in values) / len(values)) if values else 0.0
        return floats([self.mean])

    def encode(self, x, _):
        symbols = [1 if sign_bit(v) else 0 for v in x]
        return b"", symbols, [-self.mean if q else self.mean for q in symbols]


class Normal:
    """eden and ecsq."""
    block = 4096

    def __init__(self, codebook, share, unbiased, context):
        self.book, self.share, self.unbiased, self.context = codebook, share, unbiased, context
        self.probabilities = codebook.probabilities
        self.alphabet = len(self.probabilities)
        self.centroids = [f32(c) for c in codebook.centroids]
        self.random = RandomRounding(context)

    def header(self, values):
        return b""

    def encode(self, x, number):
        n = len(x)
        if self.share < 1.0:
            n = min(8 * math.ceil(math.ceil(self.share * n) / 8), n)
        which = range(n) if n == len(x) else self.context.subset(n, len(x), number)
        z = [x[i] for i in which]
        norm = lane_sum(v * v for v in z)
        sigma = f32(math.sqrt(norm / n))
        scale, symbols = 0.0, [self.alphabet // 2] * n
        if sigma >= 2.0**-100:
            symbols = self.cells(z, sigma)
            c = [self.centroids[q] for q in symbols]
            if not any(c):
                at = max(range(n), key=lambda i: abs(z[i]))
                symbols[at] += -1 if z[at] < 0 else 1
                c = [self.centroids[q] for q in symbols]
            product = lane_sum(a * b for a, b in zip(c, z))
            square = lane_sum(v * v for v in c)
            scale = f32((norm / product) * (len(x) / n) if self.unbiased else product / square)
        scale_bits = scale_to_even(scale) >> 15
        if self.unbiased:
            scale_bits = bits_of(scale) + (self.random.next_key() & 0x7FFF) >> 15
        scale = float_of(scale_bits << 15)
        decoded = [0.0] * len(x)
        for i, q in zip(which, symbols):
            decoded[i] = f32(self.centroids[q] * scale)
        return struct.pack("<H", scale_bits), symbols, decoded

    def cells(self, z, sigma):
        half = self.alphabet // 2
        if self.book.step is not None:
            inverse = f32(1.0 / (sigma * self.book.step))
            return [min(max(round(f32(v * inverse)), -half), half) + half for v in z]
        thresholds = [f32(t * sigma) for t in self.book.positive[1:]]
        above = [sum(abs(v) > t for t in thresholds) for v in z]
        return [half - 1 - a if sign_bit(v) else half + a for v, a in zip(z, above)]


# Coders.

def pack(symbols, bits):
    writer = BitWriter()
    for symbol in symbols:
        writer.write(symbol, bits)
    return writer.bytes()


def symbols_per_byte(alphabet):
    n = 1
    while alphabet**(n + 1) <= 256:
        n += 1
    return n


def join(symbols, alphabet):
    n = symbols_per_byte(alphabet)
    symbols = list(symbols) + [alphabet // 2] * (-len(symbols) % n)
    return bytes(sum(q * alphabet**i for i, q in enumerate(symbols[start:start + n]))
                 for start in range(0, len(symbols), n))


def joined_frequencies(probabilities):
    alphabet, n = len(probabilities), symbols_per_byte(len(probabilities))
    p = []
    for byte in range(alphabet**n):
        product = 1.0
        for i in range(n):
            product *= probabilities[byte // alphabet**i % alphabet]
        p.append(product)
    rare, new = set(), None
    while new is None or new:
        rest = 0.0
        for i, probability in enumerate(p):
            if i not in rare:
                rest += probability
        scale = (2**14 - len(rare)) / rest
        new = {i for i in range(len(p)) if i not in rare and p[i] * scale < 1.0}
        rare |= new
    frequencies = [1 if i in rare else math.floor(p[i] * scale) for i in range(len(p))]

    def gain(i):
        t = 1.0 / (2.0 * frequencies[i] + 1.0)
        return p[i] * (t + ((t * t) * t) / 3.0)

    for i in sorted(range(len(p)), key=lambda i: (-gain(i), i))[:2**14 - sum(frequencies)]:
        frequencies[i] += 1
    return frequencies


def table(symbols, alphabet):
    """The bytes, and the probabilities that they say."""
    counts = [0] * alphabet
    for symbol in symbols:
        counts[symbol] += 1
    writer, so_far, slots, before = BitWriter(), 0, 0, 0
    probabilities = []
    for count in counts:
        so_far += count
        frequency = 2**12 * so_far // len(symbols) - slots
        slots += frequency
        probabilities.append(frequency / 2**12)
        width = frequency.bit_length()
        ones = 2 * (width - before) if width >= before else 2 * (before - width) - 1
        writer.write((1 << ones) - 1, ones + 1)
        if width > 1:
            writer.write(frequency - (1 << (width - 1)), width - 1)
        before = width
    return writer.bytes(), probabilities


def rans(data, frequencies):
    if not data:
        return b""
    starts = [sum(frequencies[:i]) for i in range(len(frequencies))]
    states = [2**16] * (4 if len(data) >= 4096 else 1)
    words = []
    for i in range(len(data) - 1, -1, -1):
        frequency, which = frequencies[data[i]], i % len(states)
        state = states[which]
        if state >= frequency << 18:
            words.append(state & 0xFFFF)
            state >>= 16
        states[which] = (state // frequency << 14) + state % frequency + starts[data[i]]
    return struct.pack(f"<{len(states)}I", *states) + struct.pack(f"<{len(words)}H", *words[::-1])


def bitmap(indices, count):
    number = 0
    for i in indices:
        number |= 1 << i
    return number.to_bytes((count + 7) // 8, "little")


def bitmap_frequencies(kept, count):
    p = kept / count
    of_ones = []
    for ones in range(9):
        product = 1.0
        for bit in range(8):
            product *= p if bit < ones else 1.0 - p
        of_ones.append(product)
    return joined_frequencies([of_ones[bin(byte).count("1")] for byte in range(256)])


def rice(indices, count):
    kept = len(indices)
    if kept == 0:
        return b"\0"
    gaps = [b - a - 1 for a, b in zip([-1] + indices, indices)]
    middle = 0
    while kept << (17 + middle) < 31537 * (2 * count - kept) and middle < 30:
        middle += 1
    tried = range(max(middle - 2, 0), min(middle + 2, 30) + 1)
    r = min(tried, key=lambda r: (sum((g >> r) + 1 + r for g in gaps), r))
    writer = BitWriter()
    for g in gaps:
        writer.write((1 << (g >> r)) - 1, (g >> r) + 1)
        writer.write(g & (1 << r) - 1, r)
    return bytes([r]) + writer.bytes()


def positions(indices, count, coder):
    if coder == "bitpack":
        return bitmap(indices, count)
    if coder != "rans":
        return rice(indices, count)
    return rans(bitmap(indices, count), bitmap_frequencies(len(indices), count)) if count else b""


def raw_zstd(content):
    """A Zstandard frame of one segment, of raw blocks (RFC 8878, sections 3.1.1 and 3.1.1.2)."""
    frame = struct.pack("<IBI", 0xFD2FB528, 0xA0, len(content))
    starts = range(0, len(content), 1 << 17) or [0]
    for start in starts:
        block = content[start:start + (1 << 17)]
        last = start + len(block) == len(content)
        frame += struct.pack("<I", len(block) << 3 | last)[:3] + block
    return frame


# Codecs.

def parse(codec):
    stages = []
    for text in codec.split("|"):
        name, _, rest = text.strip().partition("(")
        arguments, option = [], ""
        for word in filter(None, (w.strip() for w in rest.rstrip(") ").split(","))):
            if word.isalpha():
                option = word
            else:
                arguments.append(float(word))
        stages.append((name.strip(), arguments, option))
    return stages


def make_quantizer(stage, context):
    name, arguments, option = stage
    if name == "quantize":
        return Quantize(int(arguments[0]), option == "stochastic", context)
    if name == "qsgd":
        return Qsgd(int(arguments[0]), int(arguments[1]), context)
    if name in ("sign", "ternary"):
        return Sign()
    if name == "eden":
        return Normal(eden_codebook(arguments[0]), min(arguments[0], 1.0), option != "mse", context)
    if name == "ecsq":
        return Normal(ecsq_codebook(arguments[0]), 1.0, option == "unbiased", context)
    return Floats(name)


def encode_values(values, quantizer, rotates, coder, has_positions, context):
    """Header, parameters and symbols; and what they decode to."""
    header, parameters, decoded = quantizer.header(values), b"", []
    if not values:
        return header, decoded
    chunk_size = 4096 if rotates else 1024
    chunks = []  # the symbols of each
    for first in range(0, len(values), chunk_size):
        chunk = values[first:first + chunk_size]
        if rotates:
            chunk = rotate(chunk, first // 4096, context)
        symbols, back = [], []
        for start in range(0, len(chunk), quantizer.block):
            block = chunk[start:start + quantizer.block]
            own, of_block, values_of_block = quantizer.encode(block, first // 4096)
            parameters += own
            symbols += of_block
            back += values_of_block
        decoded += rotate_back(back, first // 4096, context) if rotates else back
        chunks.append(symbols)
    symbols = [q for chunk in chunks for q in chunk]
    if quantizer.alphabet == 0:
        return header + parameters + bytes(symbols), decoded
    if coder != "rans" or quantizer.alphabet == 2:
        packed = pack(symbols, (quantizer.alphabet - 1).bit_length())
        return header + parameters + packed, decoded
    sent, probabilities = b"", quantizer.probabilities
    if probabilities is None:
        sent, probabilities = table(symbols, quantizer.alphabet)
    joined = b"".join(join(chunk, quantizer.alphabet) for chunk in chunks)
    coded = rans(joined, joined_frequencies(probabilities))
    if has_positions:
        sent += struct.pack("<I", len(coded))
    return header + parameters + sent + coded, decoded


def encode(codec, values, context):
    """The payload, and what it decodes to."""
    stages = {name: (name, arguments, option) for name, arguments, option in parse(codec)}
    if "mask" in stages and context.mask is not None:
        inside = [i for begin, size in context.mask for i in range(begin, begin + size)]
        rest = codec.split("|", 1)[1] if "|" in codec else "none"
        packed_context = Context(context.seed, context.round, context.client_id)
        payload, packed = encode(rest, [values[i] for i in inside], packed_context)
        decoded = [0.0] * len(values)
        for i, value in zip(inside, packed):
            decoded[i] = value
        return payload, decoded

    def first_of(names, otherwise):
        return next((stages[name] for name in names if name in stages), otherwise)

    sparsifier = first_of(["topk", "randk", "threshold"], None)
    quantizer = make_quantizer(
        first_of(["float16", "bfloat16", "quantize", "qsgd", "sign", "ternary", "eden", "ecsq"],
                 ("none", [], "")), context)
    coder = first_of(["rice", "bitpack", "rans"], ("", [], ""))[0]
    has_positions = sparsifier is not None and sparsifier[0] != "randk"
    indices = range(len(values))
    sent = values
    if sparsifier is not None:
        indices = select(sparsifier, values, context)
        sent = gather(sparsifier, values, indices)
    payload, back = encode_values(sent, quantizer, "rotate" in stages, coder, has_positions,
                                  context)
    if sparsifier is not None and sparsifier[0] == "threshold" and values:
        payload = struct.pack("<I", len(indices)) + payload
    if has_positions:
        payload += positions(indices, len(values), coder)
    decoded = [0.0] * len(values)
    for i, value in zip(indices, back):
        decoded[i] = value
    return (raw_zstd(payload) if "zstd" in stages else payload), decoded


def frame(payload, count, version):
    header = struct.pack("<3sBII", b"TRN", 2, version, count)
    return header + struct.pack("<I", crc32c(header + payload)) + payload
