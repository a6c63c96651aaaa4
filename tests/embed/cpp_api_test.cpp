// The C++ wrappers, in a file that sees nothing of the project but them.
#include <edgeclip.hpp>

#include "embed/cpp_api_test.h"

namespace edgeclip::test {

std::string first_hit(const std::string& plan, const std::string& gallery, const std::string& image) {
  const Model model(plan);
  const Gallery opened(gallery);
  return opened.search_image_file(model, image, 2).at(0).path + " " +
         opened.search(model.encode_image_files({image}), 100).at(0).path + " " +
         std::to_string(opened.search(model, "a person", 100).size());
}

std::vector<float> run_image(const std::string& plan, const std::vector<float>& pixels,
                             const std::vector<std::int64_t>& dims) {
  Session session(plan, "image");
  Context context(session);
  Session moved = std::move(session);
  if (moved.inputs().at(0).dims != Dims{-1, dims[1], dims[2], dims[3]} || moved.outputs().size() != 1)
    return {};
  context.bind(0, pixels.data(), dims);
  context.run();
  const Output output = context.output(0);
  std::vector<float> result(output.as<float>(), output.as<float>() + output.bytes / sizeof(float)),
      again(result.size());
  context.bind_output(0, again.data(), again.size());
  context.run();
  return again == result ? result : std::vector<float>();
}

std::string error_of(const std::string& plan) {
  std::string said;
  try {
    Session session(plan, "image");
    Context(session).output(0);
  } catch (const Error& error) {
    said = std::to_string(error.status()) + " " + error.what();
  }
  try {
    Model("/nowhere");
  } catch (const Error& error) {
    said += "; " + std::string(error.what());
  }
  return said;
}

}  // namespace edgeclip::test
