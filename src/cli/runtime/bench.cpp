#include "retrieval/evaluate/bench.h"

#include <filesystem>

#include "cli/runtime/commands.h"
#include "cli/runtime/options_command.h"
#include "cli/runtime/plan_options.h"
#include "data/dataset/captions.h"
#include "data/dataset/dataset.h"
#include "data/image/image.h"
#include "data/image/transform.h"
#include "retrieval/evaluate/tower_latency.h"

namespace edgeclip {

namespace fs = std::filesystem;

namespace {

struct Options : BenchOptions, PlanOptions {
  std::string plan, data, image_root, gallery;
  std::string split = "test";
  bool towers = false;

  template <class Visitor>
  void fields(Visitor& v) {
    v("plan", plan, "plan folder that encodes");
    plan_fields(v);
    v("data", data, "prepared dataset whose images are the queries");
    v("image_root", image_root, "folder of the dataset's images, where they were moved");
    v("split", split, "split whose images are the queries");
    v("gallery", gallery, "gallery that is searched; empty: the queries' own images, encoded beforehand");
    v("same_precision", same_precision, "refuses a gallery that a plan of another precision made");
    v("queries", queries, "queries timed; images are taken in turn");
    v("batch", batch, "queries encoded at once");
    v("warmup", warmup, "batches before the clock starts");
    v("top", top, "results of each search");
    v("towers", towers,
      "times both towers by themselves as well, in batches of 1, 4 and 8 as far as the plan takes them (report key towers: ms per image, per caption)");
    v("soak", soak_minutes, "goes on for at least so many minutes");
  }
};

std::int64_t plan_bytes(const fs::path& plan) {
  std::int64_t bytes = 0;
  for (const auto& entry : fs::directory_iterator(plan))
    if (entry.path().extension() == ".plan") bytes += static_cast<std::int64_t>(entry.file_size());
  return bytes;
}

/// tower_latency() on the split's own images and captions.
Json towers_alone(PlanEncoder& encoder, const Dataset& dataset, const std::vector<std::int64_t>& images,
                  const std::vector<std::string>& captions) {
  std::vector<int> batches;
  for (const int batch : {1, 4, 8})
    if (batch <= encoder.max_batch()) batches.push_back(batch);
  const ImageTransform& transform = encoder.card().image;
  const std::int64_t plane = 3LL * transform.height * transform.width;
  Tensor pixels(DType::f32, {batches.back(), 3, transform.height, transform.width});
  for (std::size_t b = 0; b < static_cast<std::size_t>(batches.back()); ++b) {
    const ImageItem& item = dataset.images[static_cast<std::size_t>(images[b % images.size()])];
    normalize_pixels(load_image(dataset.image_path(item.path), transform), transform, false,
                     pixels.data<float>() + static_cast<std::int64_t>(b) * plane);
  }
  return tower_latency(encoder, pixels.view(), captions, batches);
}

void print_table(const Json& report) {
  const auto line = [](const char* label, const std::string& value) {
    print(fmt::format("{:<28} {:>14}\n", label, value));
  };
  const auto number = [&](const Json& value, int digits) {
    return value.is_number() ? fmt::format("{:.{}f}", value.get<double>(), digits)
                             : std::string("not measurable");
  };
  const auto pair = [&](const char* label, const char* key, int digits) {
    const Json& value = report.at(key);
    if (value.is_null()) return line(label, "not measurable");
    line((label + std::string(", average")).c_str(), number(value.at("avg"), digits));
    line((label + std::string(", peak")).c_str(), number(value.at("peak"), digits));
  };
  line("precision", report.at("precision").get<std::string>());
  line("batch", report.at("batch").dump());
  line("total queries", report.at("total_queries").dump());
  line("total time, s", number(report.at("total_time_s"), 3));
  line("total inference time, s", number(report.at("total_inference_time_s"), 3));
  line("average inference time, s", number(report.at("avg_inference_time_s"), 6));
  line("queries per second", number(report.at("avg_qps"), 2));
  for (const char* key : {"p10", "median", "p90", "p99"})
    line(fmt::format("latency {}, ms", key).c_str(), number(report.at("latency_ms").at(key), 3));
  pair("CPU, % of one CPU", "cpu_percent", 1);
  pair("memory, %", "memory_percent", 2);
  pair("resident memory, MiB", "rss_mb", 1);
  pair("of it its own, MiB", "anonymous_mb", 1);
  pair("of it files, MiB", "mapped_mb", 1);
  pair("GPU, %", "gpu_percent", 1);
  pair("power, W", "power_w", 1);
  line("model, MiB", number(report.at("model_mb"), 2));
  if (report.contains("text")) {
    const Json& text = report.at("text");
    line("texts: queries per second", number(text.at("avg_qps"), 2));
    for (const char* key : {"p10", "median", "p90", "p99"})
      line(fmt::format("texts: latency {}, ms", key).c_str(), number(text.at("latency_ms").at(key), 3));
  }
  if (!report.contains("towers")) return;
  for (const auto& [batch, ms] : report.at("towers").items())
    for (const char* tower : {"image", "text"})
      line(fmt::format("{} tower, batch {}, ms each", tower, batch).c_str(), number(ms.at(tower), 3));
}

class BenchCommand : public OptionsCommand<Options> {
 public:
  const char* name() const override { return "bench"; }
  const char* summary() const override {
    return "Measures a plan as deployed: image file in, ranked answer out";
  }
  const char* example() const override {
    return "bench --plan plan/ --data dataset/ --queries 1000 --batch 1";
  }

 protected:
  Json execute(const Options& options) override {
    require(options.plan, "--plan");
    require(options.data, "--data");
    PlanEncoder encoder(options.plan, options.encoder_options());
    const Dataset dataset = open_dataset_with_images(options.data, options.image_root);
    const std::vector<std::int64_t> images = dataset.split(options.split);
    std::vector<fs::path> paths;
    for (const std::int64_t i : images)
      paths.push_back(dataset.image_path(dataset.images[static_cast<std::size_t>(i)].path));
    std::vector<std::string> captions;
    for (const std::int64_t row : captions_of(dataset, options.split)) captions.push_back(dataset.pairs[static_cast<std::size_t>(row)].caption);
    const bool own_gallery = options.gallery.empty();
    const GallerySnapshot gallery = own_gallery ? GallerySnapshot() : open_gallery(options.gallery);
    const BenchReport measured = run_benchmark(encoder, own_gallery ? nullptr : &gallery, paths, captions, options,
                                               encoder.info().precision, plan_bytes(options.plan));
    Json report = to_json(measured);
    if (options.towers && !measured.interrupted) report["towers"] = towers_alone(encoder, dataset, images, captions);
    print_table(report);
    report["plan"] = options.plan;
    report["data"] = options.data;
    if (measured.interrupted)
      throw InterruptedWithReport(fmt::format("interrupted; the report is of the {} queries until then", measured.total_queries), report);
    return report;
  }
};

}  // namespace

std::unique_ptr<Command> bench_command() { return std::make_unique<BenchCommand>(); }

}  // namespace edgeclip
