#pragma once

#include <string>
#include <vector>

#include "base/hash.h"
#include "base/json.h"

/// What the writer and the reader of plan.json share.
namespace edgeclip::engine {

inline constexpr const char* kPlanJson = "plan.json";
inline constexpr const char* kImagePlan = "image.plan";
inline constexpr const char* kTextPlan = "text.plan";
inline constexpr int kMaxBatch = 65536;
inline constexpr std::int64_t kMostPoolMb = 1 << 24;

/// Of the checksums of both .plan files in the table of files.  Throws InvalidInput if one is not listed.
std::string plan_model_hash(const Json& files, const std::string& where);

/// Ascending, each once.  Throws InvalidInput if there is none or one is not in [1, kMaxBatch].
std::vector<int> batch_profiles(std::vector<int> batches, const std::string& where);

}  // namespace edgeclip::engine
