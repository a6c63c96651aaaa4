#include "base/error.h"
#include "model/import/image_processor.h"
#include "model/import/import.h"
#include "tiny_clip.h"

namespace edgeclip {
namespace {

using namespace test;
namespace fs = std::filesystem;

ImageTransform read(const Json& json, const ImageTransform& usual = {}) {
  return read_image_processor({json, "p.json"}, usual);
}

const Json kClip = {{"image_processor_type", "CLIPImageProcessor"}};
const Json kViT = {{"image_processor_type", "ViTImageProcessor"}};

Json with(Json json, const char* key, const Json& value) {
  json[key] = value;
  return json;
}

TEST(ImageProcessor, ClassesHaveTheirDefaults) {
  const ImageTransform clip = read(kClip);
  EXPECT_EQ(clip.resize, "shortest_crop");
  EXPECT_EQ(clip.filter, "bicubic");
  EXPECT_EQ(clip.crop_rounding, "floor");
  EXPECT_EQ(clip.height, 224);
  EXPECT_EQ(clip.shortest, 0);
  EXPECT_EQ(clip.mean, ImageTransform().mean);
  const ImageTransform vit = read(kViT);
  EXPECT_EQ(vit.resize, "stretch");
  EXPECT_EQ(vit.filter, "bilinear");
  EXPECT_EQ(vit.width, 224);
  EXPECT_EQ(vit.std, (std::vector<double>{0.5, 0.5, 0.5}));
  for (const char* name : {"CLIPImageProcessorFast", "CLIPImageProcessorPil"})
    EXPECT_EQ(options_to_json(read({{"image_processor_type", name}})), options_to_json(clip)) << name;
  EXPECT_EQ(options_to_json(read(Json{{"feature_extractor_type", "CLIPFeatureExtractor"}})),
            options_to_json(clip));
  ImageTransform usual;  // without a class: the source's own
  usual.filter = "lanczos";
  usual.height = usual.width = 40;
  EXPECT_EQ(read(Json::object(), usual).filter, "lanczos");
  EXPECT_EQ(read(Json::object(), usual).width, 40);
}

TEST(ImageProcessor, SizesInAllTheirForms) {
  const ImageTransform number = read(with(with(kClip, "size", 256), "crop_size", 240));
  EXPECT_EQ(number.shortest, 256);
  EXPECT_EQ(number.height, 240);
  EXPECT_EQ(number.width, 240);
  const ImageTransform object =
      read(with(with(kClip, "size", {{"shortest_edge", 256}, {"longest_edge", nullptr}}), "crop_size",
                {{"height", 240}, {"width", 200}}));
  EXPECT_EQ(object.shortest, 256);
  EXPECT_EQ(object.height, 240);
  EXPECT_EQ(object.width, 200);
  const Json tall = {{"height", 256}, {"width", 128}};
  for (const Json& json : {with(kViT, "size", tall), with(with(kClip, "size", tall), "do_center_crop", false),
                           with(with(kClip, "size", tall), "crop_size", tall)}) {
    const ImageTransform image = read(json);
    EXPECT_EQ(image.resize, "stretch");
    EXPECT_EQ(image.height, 256);
    EXPECT_EQ(image.width, 128);
  }
  EXPECT_EQ(read(with(kViT, "size", 384)).height, 384);
}

TEST(ImageProcessor, ValuesAndFilters) {
  Json json = kClip;
  json.update(
      {{"image_mean", {0.1, 0.2, 0.3}}, {"image_std", {1, 2, 3}}, {"rescale_factor", 0.00392156862745098}});
  EXPECT_EQ(read(json).mean, (std::vector<double>{0.1, 0.2, 0.3}));
  EXPECT_EQ(read(json).std, (std::vector<double>{1, 2, 3}));
  EXPECT_EQ(read(with(json, "do_normalize", false)).mean, (std::vector<double>{0, 0, 0}));
  EXPECT_EQ(read(with(json, "do_normalize", false)).std, (std::vector<double>{1, 1, 1}));
  const char* filters[] = {"nearest", "lanczos", "bilinear", "bicubic", "box"};
  for (int i = 0; i < 5; ++i) EXPECT_EQ(read(with(kClip, "resample", i)).filter, filters[i]);
}

TEST(ImageProcessor, WhatIsNotComputedIsRefusedByName) {
  const std::pair<Json, const char*> cases[] = {
      {{{"image_processor_type", "ConvNextImageProcessor"}}, "ConvNextImageProcessor"},
      {with(kClip, "do_resize", false), "do_resize"},
      {with(kClip, "do_center_crop", false), "shortest_edge without do_center_crop"},
      {with(kClip, "do_pad", true), "do_pad"},
      {with(kClip, "do_rescale", false), "do_rescale"},
      {with(kClip, "rescale_factor", 0.0078125), "rescale_factor"},
      {with(kClip, "resample", 5), "resample"},
      {with(kClip, "resample", "bicubic"), "resample"},
      {with(kClip, "size", {{"longest_edge", 224}}), "longest_edge"},
      {with(kClip, "size", {{"height", 224}}), "size"},
      {with(kClip, "size", "224"), "size"},
      {with(kClip, "size", 0), "size"},
      {with(kClip, "crop_size", 336), "336"},
      {with(kClip, "crop_size", {{"shortest_edge", 224}}), "crop_size"},
      {with(kClip, "size", {{"height", 256}, {"width", 256}}), "256 x 256"},
      {with(kClip, "image_mean", {0.5}), "image_mean"},
      {with(kClip, "image_std", {0.5, 0.5, 0}), "std"},
      {with(with(kClip, "size", 100000), "crop_size", 100000), "8192"},
      {Json::array(), "object"},
  };
  for (const auto& [json, part] : cases) {
    const std::string message = invalid_input_of([&, json = json] { read(json); });
    EXPECT_EQ(message.find("p.json"), 0u) << message;
    EXPECT_NE(message.find(part), std::string::npos) << message;
  }
}

/// Beside a copy of the golden CLIP, whose images are 32 x 32.
class ImageProcessorFileTest : public testing::Test {
 protected:
  ImageProcessorFileTest() {
    for (const char* name : {"model.safetensors", "config.json"})
      fs::copy_file(golden("tiny_clip") / name, dir_ / name);
  }
  Checkpoint import(int height = 0, int width = 0) {
    ImportOptions options;
    options.from = dir_.path().string();
    options.image_height = height;
    options.image_width = width;
    return import_model(options, &report_);
  }
  TempDir dir_;
  Json report_;
};

TEST_F(ImageProcessorFileTest, IsHonouredBesideTheWeights) {
  EXPECT_EQ(import().card.image.filter, "bicubic");
  EXPECT_TRUE(report_["image_processor"].is_null());
  Json json = with(with(kClip, "size", 40), "crop_size", 32);
  json["resample"] = 2;
  write_json(dir_ / "preprocessor_config.json", json);
  const ImageTransform image = import().card.image;
  EXPECT_EQ(image.filter, "bilinear");
  EXPECT_EQ(image.shortest, 40);
  EXPECT_EQ(report_["image_processor"], (dir_ / "preprocessor_config.json").string());
  EXPECT_EQ(import(64, 64).card.image.shortest, 80);
  const ImageTransform tall = import(64, 32).card.image;
  EXPECT_EQ(tall.resize, "stretch");
  EXPECT_EQ(tall.shortest, 0);
  json["resample"] = 1;  // the newer file counts
  write_json(dir_ / "processor_config.json",
             {{"processor_class", "CLIPProcessor"}, {"image_processor", json}});
  EXPECT_EQ(import().card.image.filter, "lanczos");
}

TEST_F(ImageProcessorFileTest, AnotherSizeThanTheModelsIsRefused) {
  write_json(dir_ / "preprocessor_config.json", kClip);
  const std::string message = invalid_input_of([&] { import(); });
  for (const char* part :
       {"preprocessor_config.json", "224 x 224", "config.json", "32 x 32", "--image-height"})
    EXPECT_NE(message.find(part), std::string::npos) << message;
  EXPECT_EQ(import(64, 64).card.image.height, 64);
  write_text(dir_ / "preprocessor_config.json", "{");
  EXPECT_NE(invalid_input_of([&] { import(); }).find("preprocessor_config.json"), std::string::npos);
}

TEST(ImageProcessor, AResNetTakesTheSizeOfItsFile) {
  TempDir dir;
  fs::copy_file(golden("tiny_towers/resnet/model.safetensors"), dir / "model.safetensors");
  ImportOptions options;
  options.image = dir.path().string();
  options.text = golden("tiny_towers/distilbert_hf").string();
  Json report;
  const ImageTransform imagenet = import_model(options, &report).card.image;
  EXPECT_EQ(imagenet.height, 224);
  EXPECT_EQ(imagenet.shortest, 256);
  EXPECT_EQ(imagenet.crop_rounding, "half_even");
  EXPECT_EQ(imagenet.mean, (std::vector<double>{0.485, 0.456, 0.406}));
  options.image_height = options.image_width = 288;
  EXPECT_EQ(import_model(options, &report).card.image.shortest, 329);
  options.image_height = options.image_width = 0;
  write_json(dir / "preprocessor_config.json", with(kViT, "size", {{"height", 256}, {"width", 128}}));
  const Checkpoint checkpoint = import_model(options, &report);
  EXPECT_EQ(checkpoint.config.vision.image_height, 256);
  EXPECT_EQ(checkpoint.config.vision.image_width, 128);
  EXPECT_EQ(checkpoint.card.image.resize, "stretch");
}

}  // namespace
}  // namespace edgeclip
