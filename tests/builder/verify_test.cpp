#include "builder/verify.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "builder/transformer_bundle.h"

namespace edgeclip::builder {

using namespace engine;
namespace test = engine::test;

namespace {

using test::invalid_input_of;

VerifyOptions options_for(const test::TempDir& dir) {
  VerifyOptions options;
  options.bundle = (dir / "bundle").string();
  return options;
}

Tensor& tensor_of(NamedTensors& tensors, const std::string& name) {
  return std::find_if(tensors.begin(), tensors.end(), [&](const auto& t) { return t.first == name; })->second;
}

const Json& case_of(const Json& report, const std::string& name) {
  for (const Json& entry : report["cases"])
    if (entry["name"] == name) return entry;
  throw std::runtime_error("no case " + name);
}

TEST(Verify, ReplaysEveryCaseWithinTolerance) {
  const test::TempDir dir;
  test::write_transformer_bundle(dir.path());
  const Json report = verify_bundle(options_for(dir));
  EXPECT_TRUE(report["passed"].get<bool>()) << report.dump(1);
  EXPECT_EQ(report["precision"], "fp32");
  ASSERT_EQ(report["cases"].size(), 6u);
  for (const Json& entry : report["cases"]) {
    EXPECT_TRUE(entry["passed"].get<bool>()) << entry.dump();
    EXPECT_LE(entry["max_abs"].get<double>(), 2e-5);
    EXPECT_GE(entry["cosine"].get<double>(), 0.99999);
  }
}

TEST(Verify, FailsOnOneValueThatDiffers) {
  const test::TempDir dir;
  test::write_transformer_bundle(dir.path(), [](NamedTensors& tensors) {
    tensor_of(tensors, "text/b3_t20/text_embeds").data<float>()[17] += 1e-3f;
  });
  const Json report = verify_bundle(options_for(dir));
  EXPECT_FALSE(report["passed"].get<bool>());
  EXPECT_FALSE(case_of(report, "text/b3_t20")["passed"].get<bool>());
  EXPECT_NEAR(case_of(report, "text/b3_t20")["max_abs"].get<double>(), 1e-3, 1e-4);
  EXPECT_TRUE(case_of(report, "text/b8_t24")["passed"].get<bool>());

  VerifyOptions loose = options_for(dir);
  loose.max_abs = 2e-3;
  EXPECT_TRUE(verify_bundle(loose)["passed"].get<bool>());
}

TEST(Verify, NoToleranceAdmitsNaN) {
  const test::TempDir dir;
  test::write_transformer_bundle(dir.path(), [](NamedTensors& tensors) {
    tensor_of(tensors, "image/b1/image_embeds").data<float>()[0] = NAN;
  });
  VerifyOptions options = options_for(dir);
  options.max_abs = 1e9;
  options.min_cosine = -2;
  const Json report = verify_bundle(options);
  EXPECT_FALSE(report["passed"].get<bool>());
  EXPECT_TRUE(case_of(report, "image/b1")["max_abs"].is_null());
}

TEST(Verify, AnotherShapeIsAFailedCase) {
  const test::TempDir dir;
  test::write_transformer_bundle(dir.path(), [](NamedTensors& tensors) {
    Tensor& t = tensor_of(tensors, "image/b8/image_embeds");
    t = t.reshaped({4, 2 * test::kEmbedding});
  });
  const Json report = verify_bundle(options_for(dir));
  EXPECT_FALSE(case_of(report, "image/b8")["passed"].get<bool>());
  EXPECT_NE(case_of(report, "image/b8")["reason"].get<std::string>().find("(8, 16)"), std::string::npos);
}

TEST(Verify, MissingReferencesAreTheBundlesFault) {
  const auto message = [](const std::function<void(NamedTensors&)>& change) {
    const test::TempDir dir;
    test::write_transformer_bundle(dir.path(), change);
    return invalid_input_of([&] { verify_bundle(options_for(dir)); });
  };
  const auto without = [](const std::string& part) {
    return [part](NamedTensors& tensors) {
      tensors.erase(std::remove_if(tensors.begin(), tensors.end(),
                                   [&](const auto& t) { return t.first.find(part) != std::string::npos; }),
                    tensors.end());
    };
  };
  EXPECT_NE(message(without("text/")).find("no text cases"), std::string::npos);
  EXPECT_NE(message(without("image/b3/image_embeds")).find("image/b3/image_embeds"), std::string::npos);
  // Inputs that the model cannot take.
  const std::string wrong = message([](NamedTensors& tensors) {
    Tensor& t = tensor_of(tensors, "image/b1/pixel_values");
    t = t.reshaped({1, 3, test::kWidth, test::kHeight});
  });
  EXPECT_NE(wrong.find("pixel_values"), std::string::npos) << wrong;
}

}  // namespace
}  // namespace edgeclip::builder
