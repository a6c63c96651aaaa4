#include "cli/workshop/compress_report/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/error.h"
#include "base/nearest.h"
#include "model/config/token_merging.h"

namespace edgeclip::compress_report {

namespace {

class Judge {
 public:
  Judge(const Plan& plan, const std::string& where) : plan_(plan), where_(where) {
    for (const auto& [name, network] : plan.networks) names_.push_back(name);
  }

  void judge() {
    for (const auto& [name, network] : plan_.networks) judge(name, network);
    for (const auto& [name, network] : plan_.networks) require_end(name);
    if (plan_.rows.empty()) invalid_input("{}rows: there are none; say what is compared", where_);
    std::set<std::string> seen;
    for (std::size_t i = 0; i < plan_.rows.size(); ++i) judge(fmt::format("{}rows.{}", where_, i), plan_.rows[i], seen);
  }

 private:
  void require_known(const std::string& place, const std::string& name) const {
    if (plan_.networks.count(name) == 0) invalid_input("{}: \"{}\" is no network{}", place, name, did_you_mean(name, names_));
  }

  void judge(const std::string& name, const Network& network) const {
    const std::string place = fmt::format("{}networks.{}", where_, name);
    const bool made = !network.config.empty() || !network.set.empty() || !network.from.empty() || !network.teacher.empty() ||
                      network.command != "train";
    if (!network.checkpoint.empty()) {
      if (made) invalid_input("{}: has a checkpoint, which nothing else goes with; leave one of them out", place);
      return;
    }
    if (network.command == "prune" && network.from.empty())
      invalid_input("{}: prune cuts another network; name it in from", place);
    for (const std::string& other : {network.from, network.teacher})
      if (!other.empty()) require_known(place, other);
  }

  /// Following from and teacher comes to an end.
  void require_end(const std::string& name) {
    if (ended_.count(name) != 0) return;
    if (!open_.insert(name).second)
      invalid_input("{}networks.{}: is made from itself (from, teacher); name another one", where_, name);
    const Network& network = plan_.networks.at(name);
    for (const std::string& other : {network.from, network.teacher})
      if (!other.empty()) require_end(other);
    open_.erase(name);
    ended_.insert(name);
  }

  void judge(const std::string& place, const Row& row, std::set<std::string>& seen) const {
    if (row.name.empty()) invalid_input("{}.name: is empty; say what the row is called", place);
    if (!seen.insert(row.name).second) invalid_input("{}.name: \"{}\" is another row's too; choose another", place, row.name);
    if (row.network.empty()) invalid_input("{}.network: is empty; name one of the networks", place);
    require_known(place + ".network", row.network);
    if (row.seeds < 1 || row.seeds > 100) invalid_input("{}.seeds: {} is not within 1..100", place, row.seeds);
    if (row.seeds > 1 && !plan_.networks.at(row.network).checkpoint.empty())
      invalid_input("{}.seeds: {} is a given checkpoint, of which there is one; leave seeds out", place, row.network);
    check_token_merging(row.token_merging, row.token_budget, place + ".");
    if (row.quantize == "none" && !row.quantize_set.empty())
      invalid_input("{}.quantize_set: nothing is quantized; choose quantize, or leave it out", place);
    if (row.quantize != "none" && row.built_as() != "int8")
      invalid_input("{}.precision: a quantized bundle is built as int8, not as {}; leave it out", place, row.precision);
    constexpr const char* kKnown[] = {"fp32", "fp16", "bf16", "int8", "mixed"};
    if (std::find(std::begin(kKnown), std::end(kKnown), row.built_as()) == std::end(kKnown))
      invalid_input("{}.precision: {} is none of fp32, fp16, bf16, int8, mixed", place, row.precision);
  }

  const Plan& plan_;
  const std::string& where_;
  std::vector<std::string> names_;
  std::set<std::string> open_, ended_;
};

}  // namespace

void Plan::validate(const std::string& where) const { Judge(*this, where).judge(); }

}  // namespace edgeclip::compress_report
