#pragma once

#include <cmath>
#include <string>

#include "base/json.h"
#include "bundle/bundle.h"
#include "engine/graph/graph.h"

namespace edgeclip::builder {

/// Runs a tower's ONNX file ("image" or "text"), as it was imported, for what it has between its layers, and compares with LibTorch's
/// (layers.safetensors).  A list in the order of the network, empty where the bundle has no such file:
///   {"case","name","cosine","relative","passed"}
/// name: the value in the ONNX file; cosine: of all its elements as one vector; relative: the largest difference over the root mean
/// square; passed: cosine >= min_cosine.  A value that another file no longer has is null in all of them.
Json compare_layers(const Bundle& bundle, engine::Graph graph, const std::string& tower, double min_cosine);

/// JSON has no NaN: what could not be measured is null.
inline Json finite_or_null(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

/// The name of the first of a tower that did not pass; null if there is none.
Json first_bad_layer(const Json& layers, const std::string& tower);

}  // namespace edgeclip::builder
