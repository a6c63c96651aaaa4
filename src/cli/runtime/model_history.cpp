#include "cli/runtime/model_history.h"

namespace edgeclip {

namespace fs = std::filesystem;

bool is_plan_folder(const fs::path& folder) { return fs::exists(folder / "plan.json"); }

Json model_history(const fs::path& model) {
  for (const char* head : {"plan.json", "config.json", "best/config.json"})
    if (fs::exists(model / head)) {
      const Json json = read_json(model / head);
      return json.is_object() ? json.value("provenance", Json()) : Json();
    }
  return nullptr;
}

}  // namespace edgeclip
