#include "bundle/bundle.h"

#include "base/build_info.h"
#include "support/support.h"

namespace edgeclip {
namespace {

using namespace test;
namespace fs = std::filesystem;

/// Files that look like a bundle's; their content does not matter here.
void write_bundle(const fs::path& directory) {
  fs::create_directories(directory / "tokenizer");
  for (const char* name : {"image.onnx", "text.onnx", "reference.safetensors", "tokenizer/spm.model"})
    write_text(directory / name, std::string("content of ") + name);
  Bundle bundle;
  bundle.card.vocab_size = 100;
  bundle.card.embedding_dim = 8;
  bundle.card.logit_scale = 20.5;
  bundle.provenance = Json::array({{{"command", "test"}}});
  write_bundle_json(directory, bundle);
}

std::string refusal(const fs::path& directory) {
  return invalid_input_of([&] { open_bundle(directory); });
}

std::string refusal_of_json(const fs::path& directory, const std::function<void(Json&)>& change) {
  write_bundle(directory);
  Json json = read_json(directory / "bundle.json");
  change(json);
  write_json(directory / "bundle.json", json);
  return refusal(directory);
}

TEST(Bundle, ComesBackAsItWas) {
  const TempDir dir;
  write_bundle(dir / "b");
  const Bundle bundle = open_bundle(dir / "b");
  EXPECT_EQ(bundle.card.vocab_size, 100);
  EXPECT_EQ(bundle.card.logit_scale, 20.5);
  EXPECT_EQ(bundle.precision, "fp32");
  EXPECT_EQ(bundle.provenance[0]["command"], "test");
  EXPECT_TRUE(fs::exists(bundle.image_onnx()));
  const Json json = read_json(dir / "b/bundle.json");
  EXPECT_EQ(json["format"], 1);
  EXPECT_EQ(json["edgeclip"], version());
  EXPECT_EQ(json["files"].size(), 4u);  // all but bundle.json
  EXPECT_EQ(json["files"]["tokenizer/spm.model"]["bytes"], 30);
}

TEST(Bundle, RefusesANewerFormat) {
  const TempDir dir;
  const std::string message = refusal_of_json(dir / "b", [](Json& json) { json["format"] = 3; });
  EXPECT_NE(message.find("bundle.json: format 3 is newer than this build (2); update edgeclip"),
            std::string::npos)
      << message;
}

TEST(Bundle, FindsDamage) {
  const TempDir dir;
  write_bundle(dir / "b");
  write_text(dir / "b/text.onnx", "Content of text.onnx");
  EXPECT_NE(refusal(dir / "b").find("text.onnx: is damaged"), std::string::npos);
  write_text(dir / "b/text.onnx", "content");
  EXPECT_NE(refusal(dir / "b").find("has 7 bytes"), std::string::npos);
  fs::remove(dir / "b/text.onnx");
  EXPECT_NE(refusal(dir / "b").find("text.onnx: is missing"), std::string::npos);
  EXPECT_NE(refusal(dir / "nowhere").find("nowhere"), std::string::npos);
}

TEST(Bundle, RefusesWrongContent) {
  const TempDir dir;
  const auto b = dir / "b";
  EXPECT_NE(refusal_of_json(b, [](Json& json) { json["card"]["vocab_sise"] = 1; }).find("vocab_size"),
            std::string::npos);
  EXPECT_NE(refusal_of_json(b, [](Json& json) { json["card"]["vocab_size"] = 0; }).find("card.vocab_size"),
            std::string::npos);
  EXPECT_NE(refusal_of_json(b, [](Json& json) { json["card"]["end_id"] = 100; }).find("card.end_id"),
            std::string::npos);
  EXPECT_NE(refusal_of_json(b, [](Json& json) { json["card"]["image"]["width"] = 0; }).find("image"),
            std::string::npos);
  EXPECT_NE(refusal_of_json(b, [](Json& json) { json["precision"] = "fp16"; }).find("fp16"),
            std::string::npos);
  EXPECT_NE(refusal_of_json(b, [](Json& json) { json["files"].erase("image.onnx"); })
                .find("image.onnx is not listed"),
            std::string::npos);
  EXPECT_NE(refusal_of_json(b,
                            [](Json& json) {
                              json["files"]["../outside"] = {{"bytes", 1}, {"xxh3", ""}};
                            })
                .find("leads out"),
            std::string::npos);
  EXPECT_NE(refusal_of_json(b, [](Json& json) { json["files"] = Json::array(); }).find("expected an object"),
            std::string::npos);
  EXPECT_NE(refusal_of_json(b, [](Json& json) { json.erase("card"); }).find("card"), std::string::npos);
}

}  // namespace
}  // namespace edgeclip
