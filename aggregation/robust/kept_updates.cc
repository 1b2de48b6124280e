#include "aggregation/robust/kept_updates.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "aggregation/sealed_bytes.h"
#include "core/base/bytes.h"
#include "core/base/check.h"
#include "core/base/crc32c.h"
#include "core/base/status_macros.h"

namespace tern::aggregation {
namespace {

constexpr char kMagic[] = "TERNKEPT";
constexpr uint64_t kMaxKeyRound = uint64_t{1} << 32;  // RandomKey
constexpr size_t kRunBytes = 2 * sizeof(int64_t);

uint32_t Fingerprint(const AggregatorOptions& options, const AggregatorLimits& limits) {
  std::string bytes;
  ByteWriter writer(&bytes);
  writer.Write(options.attackers);
  writer.Write(options.trim);
  writer.Write(options.keep);
  writer.Write(options.clip_norm);
  writer.Write(options.iterations);
  writer.Write(options.smoothing);
  writer.Write(options.fairness);
  writer.Write(options.client_learning_rate);
  writer.Write(limits.count);
  writer.Write(limits.max_update_abs);
  writer.Write(limits.max_total_weight);
  writer.Write(limits.max_updates);
  return Crc32c(bytes, Crc32c(options.name));
}

SealFormat Seal(uint32_t fingerprint) {
  return {.magic = kMagic, .version = 1, .fingerprint = fingerprint, .writer = "kept updates"};
}

bool SameCoordinates(const CoordinateSet& a, const CoordinateSet& b) {
  return &a == &b || (a.full_size == b.full_size && a.runs == b.runs);
}

// Numbers distinct sets from 1 on, in the order in which they are asked for. Most are known by
// their address; after a restart equal ones may stand at several.
class SetNumbers {
 public:
  // 0: null.
  uint32_t Of(const CoordinateSet* set) {
    if (set == nullptr) return 0;
    uint32_t& number = by_address_[set];
    if (number != 0) return number;
    const auto same = std::find_if(sets_.begin(), sets_.end(),
                                   [set](const auto* of) { return SameCoordinates(*of, *set); });
    if (same == sets_.end()) {
      sets_.push_back(set);
      number = static_cast<uint32_t>(sets_.size());
    } else {
      number = static_cast<uint32_t>(same - sets_.begin()) + 1;
    }
    return number;
  }
  absl::Span<const CoordinateSet* const> sets() const { return sets_; }

 private:
  std::map<const CoordinateSet*, uint32_t> by_address_;
  std::vector<const CoordinateSet*> sets_;
};

void WriteSet(const CoordinateSet& set, ByteWriter& writer) {
  writer.Write(set.full_size);
  writer.Write(static_cast<uint32_t>(set.runs.size()));
  for (const CoordinateRun& run : set.runs) {
    writer.Write(run.begin);
    writer.Write(run.size);
  }
}

void WriteUpdate(const KeptUpdate& update, SetNumbers& sets, ByteWriter& writer) {
  writer.Write(update.id);
  writer.Write(update.weight);
  writer.Write(static_cast<uint32_t>(update.codec.size()));
  writer.WriteBytes(update.codec);
  writer.Write(sets.Of(update.coordinates.get()));
  writer.Write(sets.Of(update.context.mask));
  writer.Write(update.context.count);
  writer.Write(static_cast<uint32_t>(update.context.tensor_sizes.size()));
  for (const int64_t size : update.context.tensor_sizes) writer.Write(size);
  writer.Write(update.context.key.seed);
  writer.Write(update.context.key.round);
  writer.Write(update.context.key.client);
  writer.Write(uint64_t{update.payload.size()});
  writer.WriteBytes(update.payload);
}

bool IdIsLess(const KeptUpdate& a, const KeptUpdate& b) { return a.id < b.id; }

absl::StatusOr<std::shared_ptr<const CoordinateSet>> ReadSet(ByteReader& reader) {
  auto set = std::make_shared<CoordinateSet>();
  TERN_ASSIGN_OR_RETURN(set->full_size, reader.Read<int64_t>());
  TERN_ASSIGN_OR_RETURN(const uint32_t runs, reader.Read<uint32_t>());
  if (runs > reader.remaining() / kRunBytes) {
    return absl::DataLossError(
        absl::StrCat("a coordinate set of ", runs, " runs in ", reader.remaining(), " bytes"));
  }
  set->runs.reserve(runs);
  int64_t least = 0;  // runs do not touch one another
  for (uint32_t i = 0; i < runs; ++i) {
    CoordinateRun run;
    TERN_ASSIGN_OR_RETURN(run.begin, reader.Read<int64_t>());
    TERN_ASSIGN_OR_RETURN(run.size, reader.Read<int64_t>());
    if (run.begin < least || run.begin >= set->full_size || run.size < 1 ||
        run.size > set->full_size - run.begin) {
      return absl::DataLossError(absl::StrCat("run ", i, " of a coordinate set is ", run.begin, "+",
                                              run.size, ", expected from ", least, " to ",
                                              set->full_size));
    }
    least = run.begin + run.size + 1;
    set->size += run.size;
    set->runs.push_back(run);
  }
  return set;
}

absl::StatusOr<std::vector<int64_t>> ReadTensorSizes(ByteReader& reader, int64_t count) {
  TERN_ASSIGN_OR_RETURN(const uint32_t tensors, reader.Read<uint32_t>());
  if (tensors > reader.remaining() / sizeof(int64_t)) {
    return absl::DataLossError(absl::StrCat(tensors, " tensors in ", reader.remaining(), " bytes"));
  }
  std::vector<int64_t> sizes(tensors);
  int64_t left = count;
  for (int64_t& size : sizes) {
    TERN_ASSIGN_OR_RETURN(size, reader.Read<int64_t>());
    if (size < 0 || size > left) {
      return absl::DataLossError(
          absl::StrCat("a tensor of ", size, " coordinates where ", left, " are left"));
    }
    left -= size;
  }
  if (tensors > 0 && left > 0) {
    return absl::DataLossError(absl::StrCat(left, " coordinates behind the last tensor"));
  }
  return sizes;
}

}  // namespace

struct KeptUpdates::Owned {
  std::string bytes;
  std::map<absl::string_view, std::unique_ptr<compression::Decoder>> decoders;  // by codec
  std::vector<std::shared_ptr<const CoordinateSet>> sets;
  std::vector<std::vector<int64_t>> tensor_sizes;  // of each update
};

// Reads into memory of its own.
class KeptUpdates::Reader {
 public:
  Reader(const Terms& terms, absl::string_view bytes)
      : terms_(terms), owned_(std::make_unique<Owned>()), reader_("") {
    owned_->bytes = std::string(bytes);
  }

  absl::Status Read() {
    TERN_ASSIGN_OR_RETURN(const absl::string_view inner,
                          OpenSeal(Seal(terms_.fingerprint), owned_->bytes));
    reader_ = ByteReader(inner);
    TERN_ASSIGN_OR_RETURN(const uint32_t sets, reader_.Read<uint32_t>());
    for (uint32_t i = 0; i < sets; ++i) {
      TERN_ASSIGN_OR_RETURN(auto set, ReadSet(reader_));
      owned_->sets.push_back(std::move(set));
    }
    TERN_ASSIGN_OR_RETURN(const uint32_t updates, reader_.Read<uint32_t>());
    if (updates > terms_.max_updates) {
      return absl::DataLossError(
          absl::StrCat(updates, " updates, expected at most ", terms_.max_updates));
    }
    for (uint32_t i = 0; i < updates; ++i) {
      absl::Status status = ReadUpdate();
      if (!status.ok()) {
        return absl::DataLossError(absl::StrCat("update ", i, ": ", status.message()));
      }
    }
    if (reader_.remaining() == 0) return absl::OkStatus();
    return absl::DataLossError(absl::StrCat("trailing bytes: ", reader_.remaining()));
  }

  std::vector<KeptUpdate> TakeUpdates() { return std::move(updates_); }
  std::unique_ptr<const Owned> TakeOwned() { return std::move(owned_); }

 private:
  absl::Status ReadUpdate() {
    KeptUpdate update;
    TERN_ASSIGN_OR_RETURN(update.id, reader_.Read<uint64_t>());
    if (!updates_.empty() && update.id <= updates_.back().id) {
      return absl::DataLossError(absl::StrCat("id ", update.id, " follows ", updates_.back().id));
    }
    TERN_ASSIGN_OR_RETURN(update.weight, reader_.Read<int64_t>());
    if (update.weight < 1) {
      return absl::DataLossError(absl::StrCat("weight is ", update.weight, ", expected > 0"));
    }
    TERN_RETURN_IF_ERROR(ReadCodec(update));
    TERN_RETURN_IF_ERROR(ReadContext(update));
    TERN_ASSIGN_OR_RETURN(const uint64_t size, reader_.Read<uint64_t>());
    TERN_ASSIGN_OR_RETURN(update.payload, reader_.ReadBytes(size));
    TERN_RETURN_IF_ERROR(
        update.decoder->Validate(update.payload, update.context, terms_.max_update_abs));
    updates_.push_back(std::move(update));
    return absl::OkStatus();
  }

  absl::Status ReadCodec(KeptUpdate& update) {
    TERN_ASSIGN_OR_RETURN(const uint32_t size, reader_.Read<uint32_t>());
    TERN_ASSIGN_OR_RETURN(update.codec, reader_.ReadBytes(size));
    std::unique_ptr<compression::Decoder>& decoder = owned_->decoders[update.codec];
    if (decoder == nullptr) {
      TERN_ASSIGN_OR_RETURN(const auto spec, compression::ParseCodec(update.codec));
      decoder = compression::MakeDecoder(spec);
    }
    update.decoder = decoder.get();
    return absl::OkStatus();
  }

  absl::Status ReadContext(KeptUpdate& update) {
    TERN_ASSIGN_OR_RETURN(update.coordinates, ReadSetNumber());
    TERN_ASSIGN_OR_RETURN(const auto mask, ReadSetNumber());
    TERN_ASSIGN_OR_RETURN(update.context.count, reader_.Read<int64_t>());
    if (update.coordinates != nullptr &&
        (!terms_.takes_submodels || update.coordinates->full_size != terms_.count)) {
      return absl::DataLossError("of a submodel, expected of the whole model");
    }
    const int64_t count = update.coordinates == nullptr ? terms_.count : update.coordinates->size;
    if (update.context.count != count) {
      return absl::DataLossError(
          absl::StrCat(update.context.count, " coordinates, expected ", count));
    }
    if (mask != nullptr && mask->full_size != count) {
      return absl::DataLossError(
          absl::StrCat("a mask over ", mask->full_size, " coordinates, expected ", count));
    }
    update.context.mask = mask.get();
    TERN_ASSIGN_OR_RETURN(auto sizes, ReadTensorSizes(reader_, count));
    owned_->tensor_sizes.push_back(std::move(sizes));
    update.context.tensor_sizes = owned_->tensor_sizes.back();
    RandomKey& key = update.context.key;
    TERN_ASSIGN_OR_RETURN(key.seed, reader_.Read<uint64_t>());
    TERN_ASSIGN_OR_RETURN(key.round, reader_.Read<uint64_t>());
    TERN_ASSIGN_OR_RETURN(key.client, reader_.Read<uint64_t>());
    if (key.round < kMaxKeyRound) return absl::OkStatus();
    return absl::DataLossError(absl::StrCat("round ", key.round, ", expected below 2^32"));
  }

  absl::StatusOr<std::shared_ptr<const CoordinateSet>> ReadSetNumber() {
    TERN_ASSIGN_OR_RETURN(const uint32_t number, reader_.Read<uint32_t>());
    if (number == 0) return nullptr;
    if (number <= owned_->sets.size()) return owned_->sets[number - 1];
    return absl::DataLossError(
        absl::StrCat("coordinate set ", number, " of ", owned_->sets.size()));
  }

  const Terms& terms_;
  std::unique_ptr<Owned> owned_;
  ByteReader reader_;
  std::vector<KeptUpdate> updates_;
};

KeptUpdates::KeptUpdates(const AggregatorOptions& options, const AggregatorLimits& limits,
                         bool takes_submodels)
    : terms_{.count = limits.count,
             .max_update_abs = limits.max_update_abs,
             .max_updates = limits.max_updates,
             .takes_submodels = takes_submodels,
             .fingerprint = Fingerprint(options, limits)} {}

KeptUpdates::~KeptUpdates() = default;

void KeptUpdates::Add(const EncodedUpdate& update, const UpdateFacts& facts,
                      const std::shared_ptr<const CoordinateSet>& coordinates) {
  TERN_CHECK(facts.weight > 0 && !update.codec.empty());
  if (coordinates == nullptr) {
    TERN_CHECK(update.context.count == terms_.count);
  } else {
    TERN_CHECK(terms_.takes_submodels && coordinates->full_size == terms_.count &&
               coordinates->size == update.context.count);
  }
  updates_.push_back({.id = facts.id,
                      .weight = facts.weight,
                      .decoder = &update.decoder,
                      .payload = update.payload,
                      .codec = update.codec,
                      .context = update.context,
                      .coordinates = coordinates});
}

void KeptUpdates::Merge(KeptUpdates&& other) {
  TERN_CHECK(&other != this && other.terms_ == terms_);
  std::move(other.updates_.begin(), other.updates_.end(), std::back_inserter(updates_));
  std::move(other.owned_.begin(), other.owned_.end(), std::back_inserter(owned_));
  other.Clear();
}

void KeptUpdates::Clear() {
  updates_.clear();
  owned_.clear();
}

absl::StatusOr<absl::Span<const KeptUpdate>> KeptUpdates::Sorted() {
  if (static_cast<int64_t>(updates_.size()) > terms_.max_updates) {
    return absl::FailedPreconditionError(
        absl::StrCat(updates_.size(), " updates, expected at most ", terms_.max_updates));
  }
  std::sort(updates_.begin(), updates_.end(), IdIsLess);
  for (size_t i = 1; i < updates_.size(); ++i) {
    if (updates_[i - 1].id != updates_[i].id) continue;
    return absl::FailedPreconditionError(absl::StrCat("two updates have the id ", updates_[i].id));
  }
  return updates_;
}

std::string KeptUpdates::Serialize() const {
  std::vector<KeptUpdate> updates = updates_;
  std::sort(updates.begin(), updates.end(), IdIsLess);
  // The sets in the order in which the updates name them.
  SetNumbers sets;
  for (const KeptUpdate& update : updates) {
    sets.Of(update.coordinates.get());
    sets.Of(update.context.mask);
  }
  std::string bytes = BeginSeal(Seal(terms_.fingerprint));
  ByteWriter writer(&bytes);
  writer.Write(static_cast<uint32_t>(sets.sets().size()));
  for (const CoordinateSet* const set : sets.sets()) WriteSet(*set, writer);
  writer.Write(static_cast<uint32_t>(updates.size()));
  for (const KeptUpdate& update : updates) WriteUpdate(update, sets, writer);
  EndSeal(bytes);
  return bytes;
}

absl::Status KeptUpdates::Deserialize(absl::string_view bytes) {
  TERN_CHECK(updates_.empty());
  Reader reader(terms_, bytes);
  TERN_RETURN_IF_ERROR(reader.Read());
  updates_ = reader.TakeUpdates();
  owned_.push_back(reader.TakeOwned());
  return absl::OkStatus();
}

}  // namespace tern::aggregation
