#include "core/wire/model_file.h"

#include <sys/stat.h>

#include <cerrno>
#include <cstdio>
#include <limits>
#include <memory>

#include "absl/strings/str_cat.h"
#include "compression/codec.h"
#include "compression/dense_sinks.h"
#include "compression/frame.h"
#include "core/base/bytes.h"
#include "core/base/files.h"
#include "core/base/status_macros.h"
#include "core/model/parameter_layout.h"
#include "core/wire/serialize.h"

namespace tern {
namespace {

constexpr absl::string_view kMagic = "TERNMODL";
constexpr uint32_t kFormatVersion = 1;
constexpr size_t kPreambleBytes = 16;  // magic, format version, length of the structure
constexpr uint32_t kMaxSpecBytes = 1 << 20;

absl::Status WithPath(const std::string& path, const absl::Status& status) {
  return absl::Status(status.code(), absl::StrCat(path, ": ", status.message()));
}

// The system's last error, as a status.
absl::Status SystemError(absl::string_view what) { return absl::ErrnoToStatus(errno, what); }

struct FileCloser {
  void operator()(FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<FILE, FileCloser>;

compression::CodecSpec NoneCodec() { return {.stages = {{.name = "none", .arguments = {}}}}; }

absl::StatusOr<std::string> Encode(const ModelFile& model) {
  TERN_ASSIGN_OR_RETURN(const ParameterLayout layout, MakeParameterLayout(model.spec));
  if (static_cast<int64_t>(model.parameters.size()) != layout.size) {
    return absl::InvalidArgumentError(absl::StrCat("model '", model.spec.name, "' has ",
                                                   layout.size, " parameters, got ",
                                                   model.parameters.size()));
  }
  const std::string spec = Serialize(model.spec);
  if (spec.size() > kMaxSpecBytes) {
    return absl::InvalidArgumentError(absl::StrCat("the structure takes ", spec.size(),
                                                   " bytes, expected at most ", kMaxSpecBytes));
  }
  std::string bytes;
  ByteWriter writer(&bytes);
  writer.WriteBytes(kMagic);
  writer.Write(kFormatVersion);
  writer.Write(static_cast<uint32_t>(spec.size()));
  writer.WriteBytes(spec);
  TERN_ASSIGN_OR_RETURN(const std::string frame,
                        compression::EncodeFrame(*compression::MakeEncoder(NoneCodec()),
                                                 model.parameters, model.version, {}));
  writer.WriteBytes(frame);
  return bytes;
}

absl::StatusOr<std::string> ReadBytes(FILE* file, size_t size) {
  std::string bytes(size, '\0');
  const size_t read = std::fread(bytes.data(), 1, size, file);
  if (read == size) return bytes;
  if (std::ferror(file) != 0) return SystemError("cannot be read");
  return absl::DataLossError(
      absl::StrCat("truncated: expected ", size, " more bytes, have ", read));
}

absl::StatusOr<ModelSpec> ReadSpec(FILE* file) {
  TERN_ASSIGN_OR_RETURN(const std::string preamble, ReadBytes(file, kPreambleBytes));
  ByteReader reader(preamble);
  TERN_ASSIGN_OR_RETURN(const absl::string_view magic, reader.ReadBytes(kMagic.size()));
  if (magic != kMagic) return absl::InvalidArgumentError("not a Tern model: wrong magic");
  TERN_ASSIGN_OR_RETURN(const uint32_t format_version, reader.Read<uint32_t>());
  if (format_version != kFormatVersion) {
    return absl::InvalidArgumentError(absl::StrCat("format version is ", format_version,
                                                   ", this program reads ", kFormatVersion));
  }
  TERN_ASSIGN_OR_RETURN(const uint32_t spec_bytes, reader.Read<uint32_t>());
  if (spec_bytes > kMaxSpecBytes) {
    return absl::InvalidArgumentError(absl::StrCat("the structure's length is ", spec_bytes,
                                                   " bytes, expected at most ", kMaxSpecBytes));
  }
  TERN_ASSIGN_OR_RETURN(const std::string spec, ReadBytes(file, spec_bytes));
  return Parse<ModelSpec>(spec);
}

// All that is left of the file; DATA_LOSS unless that is `expected` bytes. Asked before anything of
// that size is allocated.
absl::StatusOr<std::string> ReadRest(FILE* file, int64_t expected) {
  struct stat info = {};
  if (::fstat(::fileno(file), &info) != 0) return SystemError("cannot be read");
  const int64_t left = static_cast<int64_t>(info.st_size) - std::ftell(file);
  if (left != expected) {
    return absl::DataLossError(absl::StrCat(left < expected ? "truncated" : "trailing bytes", ": ",
                                            left, " bytes after the structure, expected ",
                                            expected));
  }
  return ReadBytes(file, static_cast<size_t>(expected));
}

absl::StatusOr<ModelFile> ReadModel(FILE* file) {
  ModelFile model;
  TERN_ASSIGN_OR_RETURN(model.spec, ReadSpec(file));
  TERN_ASSIGN_OR_RETURN(const ParameterLayout layout, MakeParameterLayout(model.spec));
  TERN_ASSIGN_OR_RETURN(const std::string bytes,
                        ReadRest(file, compression::kFrameHeaderBytes +
                                           layout.size * static_cast<int64_t>(sizeof(float))));
  const std::unique_ptr<compression::Decoder> decoder = compression::MakeDecoder(NoneCodec());
  TERN_ASSIGN_OR_RETURN(const compression::Frame frame,
                        compression::ReadFrame(bytes, *decoder, {.count = layout.size},
                                               std::numeric_limits<float>::max()));
  model.version = frame.model_version;
  model.parameters.resize(static_cast<size_t>(layout.size));
  compression::DenseSink sink(absl::MakeSpan(model.parameters));
  decoder->DecodeInto(frame.payload, {.count = layout.size}, sink);
  return model;
}

}  // namespace

absl::Status WriteModelFile(const std::string& path, const ModelFile& model) {
  const absl::StatusOr<std::string> bytes = Encode(model);
  if (!bytes.ok()) return WithPath(path, bytes.status());
  return WriteFileAtomically(path, *bytes);
}

absl::StatusOr<ModelFile> ReadModelFile(const std::string& path) {
  const File file(std::fopen(path.c_str(), "rb"));
  if (file == nullptr) return WithPath(path, SystemError("cannot be opened"));
  absl::StatusOr<ModelFile> model = ReadModel(file.get());
  if (!model.ok()) return WithPath(path, model.status());
  return model;
}

}  // namespace tern
