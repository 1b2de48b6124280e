#include "simulation/population_report.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>
#include <variant>

#include "core/base/files.h"
#include "core/base/status_macros.h"
#include "simulation/client_id.h"
#include "simulation/device_capabilities.h"

namespace tern::simulation {
namespace {

using Json = nlohmann::ordered_json;

// Of a picture of the partition: more cannot be told apart.
constexpr int64_t kMaxDrawnClients = 200;

// The numbers of examples that clients [first, first + count) hold, ascending.
std::vector<int64_t> NumExamples(const Partition& partition, int64_t first, int64_t count) {
  std::vector<int64_t> sizes;
  for (int64_t i = first; i < first + count; ++i) {
    sizes.push_back(static_cast<int64_t>(partition.client(i).size()));
  }
  std::sort(sizes.begin(), sizes.end());
  return sizes;
}

Json ClassJson(const ClassReport& report) {
  Json json;
  json["name"] = report.name;
  json["devices"] = report.num_devices;
  json["refused"] = report.num_refused;
  json["refusal"] = report.refusal;
  json["ram_bytes"] = report.ram_bytes;
  json["width"] = report.has_plan ? Json(report.plan.width) : Json(nullptr);
  json["batch_size"] = report.has_plan ? Json(report.plan.train.batch_size) : Json(nullptr);
  json["local_steps"] = report.plan.train.max_local_steps;
  json["codec"] = report.plan.codec;
  json["predicted_peak_bytes"] = report.predicted_peak_bytes;
  json["measured_peak_bytes"] = report.measured_peak_bytes;
  json["peak_mismatches"] = report.peak_mismatches;
  json["predicted_round_s"] = absl::ToDoubleSeconds(report.plan.estimate.total_time());
  json["selected"] = report.selected;
  json["completed"] = report.completed;
  json["dropped"] = report.dropped;
  json["energy_j"] = report.energy_j;
  json["bytes_up"] = report.traffic.bytes_up;
  json["bytes_down"] = report.traffic.bytes_down;
  return json;
}

Json PartitionJson(const Partition& partition, const Dataset& dataset, const std::string& kind) {
  Json json;
  json["kind"] = kind;
  json["num_clients"] = partition.num_clients();
  json["num_classes"] = dataset.num_classes();
  json["clients"] = Json::array();
  const int64_t drawn = std::min(partition.num_clients(), kMaxDrawnClients);
  for (int64_t i = 0; i < drawn; ++i) {
    // Evenly over all.
    const int64_t client = i * partition.num_clients() / drawn;
    std::vector<int64_t> counts(static_cast<size_t>(dataset.num_classes()));
    for (const int32_t example : partition.client(client)) {
      ++counts[static_cast<size_t>(dataset.label(example))];
    }
    json["clients"].push_back({{"client", client}, {"counts", counts}});
  }
  return json;
}

}  // namespace

absl::StatusOr<PopulationReport> PopulationReport::Create(const server::Task& task,
                                                          const Population* population,
                                                          const Partition* partition) {
  TERN_ASSIGN_OR_RETURN(const server::Planner planner, server::Planner::Create(task));
  PopulationReport report;
  report.population_ = population;
  report.partition_ = partition;
  int64_t first = 0;
  for (const DeviceClass& device : population->classes()) {
    const std::vector<int64_t> sizes = NumExamples(*partition, first, device.num_clients);
    CheckInRequest request{.capabilities = DeclaredCapabilities(
                               device.profile, FullBatteryJoules(device.profile.battery)),
                           .num_examples = sizes[sizes.size() / 2]};
    ClassReport added{.name = device.name,
                      .num_devices = device.num_clients,
                      .ram_bytes = device.profile.ram_bytes};
    std::variant<server::PlanChoice, Refusal> choice = planner.Choose(request);
    if (auto* plan = std::get_if<server::PlanChoice>(&choice)) {
      added.plan = std::move(*plan);
      added.has_plan = true;
    }
    // Fewer examples take less memory, time and energy: what this one cannot do, none can.
    request.num_examples = std::max<int64_t>(1, sizes.front());
    choice = planner.Choose(request);
    if (const auto* refusal = std::get_if<Refusal>(&choice)) added.refusal = refusal->message;
    report.classes_.push_back(std::move(added));
    first += device.num_clients;
  }
  return report;
}

void PopulationReport::AddRound(const server::RoundRecord& record, const DeviceTally& tally,
                                const std::vector<DeviceLoop::Refused>& refused) {
  for (const server::MemberOutcome& member : record.members) {
    ClassReport& report = classes_[population_->class_of(ClientIndex(member.client_id))];
    ++report.selected;
    report.predicted_peak_bytes =
        std::max(report.predicted_peak_bytes, member.predicted_peak_bytes);
    if (member.outcome != server::kCompleted) {
      ++report.dropped[member.outcome];
      continue;
    }
    ++report.completed;
    report.measured_peak_bytes = std::max(report.measured_peak_bytes, member.measured_peak_bytes);
    if (member.measured_peak_bytes != member.predicted_peak_bytes) ++report.peak_mismatches;
  }
  for (size_t i = 0; i < classes_.size(); ++i) {
    classes_[i].energy_j += tally.energy_j[i];
    classes_[i].traffic += tally.traffic[i];
    classes_[i].num_refused = refused[i].num_clients;
    if (refused[i].num_clients > 0) classes_[i].refusal = refused[i].message;
  }
}

absl::Status PopulationReport::Write(const std::string& path, const Dataset& dataset,
                                     const std::string& partition_kind) const {
  Json json;
  json["classes"] = Json::array();
  for (const ClassReport& report : classes_) json["classes"].push_back(ClassJson(report));
  json["partition"] = PartitionJson(*partition_, dataset, partition_kind);
  return WriteFileAtomically(path, json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n");
}

}  // namespace tern::simulation
