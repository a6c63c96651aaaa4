#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "builder/quantize/calibration.h"
#include "builder/quantize/quantize_options.h"
#include "builder/quantize/retrieval_probe.h"

namespace edgeclip::builder {

struct ChosenLayers {
  std::vector<std::string> exclude;  ///< "TOWER:=NODE" of the layers that stay float32 for --max-recall-loss
  Json mixed;                        ///< for the report; null without --max-recall-loss
};

/// Does what --sensitivity and --max-recall-loss ask for, of which there is one: writes the file of the first, then
/// searches for the second.  calibration: nothing for method dynamic.  Throws CheckNotMet as find_mixed() does.
ChosenLayers choose_layers(const Bundle& bundle, const QuantizeOptions& options,
                           const std::optional<Calibration>& calibration, const OpenProbe& open_probe);

}  // namespace edgeclip::builder
