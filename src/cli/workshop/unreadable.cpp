#include "cli/workshop/unreadable.h"

#include "cli/runtime/command.h"

namespace edgeclip {

void require_readable(const Json& training, const LoadingOptions& loading, const std::string& where, const std::string& data,
                      const std::string& out, const Json& report) {
  const double percent = training.at("unreadable_percent").get<double>();
  if (percent <= loading.max_unreadable) return;
  throw CheckNotMetWithReport(
      fmt::format("{}: {} images cannot be read ({:.1f} %, {}loading.max_unreadable {}); {} is trained on the others", data,
                  training.at("corrupt_images").dump(), percent, where, loading.max_unreadable, out),
      report);
}

}  // namespace edgeclip
