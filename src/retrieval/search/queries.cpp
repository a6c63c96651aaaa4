#include "retrieval/search/queries.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "base/error.h"
#include "base/file.h"
#include "retrieval/encode.h"

namespace edgeclip {

namespace {

constexpr double kOfQuery = 1, kOfRight = 0.75, kOfWrong = 0.15;

using Vector = std::vector<double>;

void add(Vector& to, const float* row, double weight) {
  for (std::size_t d = 0; d < to.size(); ++d) to[d] += weight * static_cast<double>(row[d]);
}

/// The mean of rows, by weight, into the query.
void add_mean(Vector& to, const Tensor& rows, double weight) {
  for (std::int64_t i = 0; i < rows.dim(0); ++i)
    add(to, rows.data<float>() + i * rows.dim(1), weight / static_cast<double>(rows.dim(0)));
}

Tensor marked_rows(const GallerySet& galleries, const std::vector<std::uint64_t>& numbers) {
  Tensor rows(DType::f32, {static_cast<std::int64_t>(numbers.size()), galleries.embedding_dim()});
  std::map<std::uint64_t, std::int64_t> place_of;
  for (const std::uint64_t number : numbers) place_of.emplace(number, -1);
  const GallerySnapshot& gallery = galleries.galleries().front();
  gallery.each([&](std::int64_t place) {
    if (const auto at = place_of.find(gallery.number(place)); at != place_of.end()) at->second = place;
  });
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    const std::int64_t place = place_of.at(numbers[i]);
    if (place < 0) invalid_input("{}: has no item {}; name one by the number that search gives it", gallery.directory().string(), numbers[i]);
    gallery.read_row(place, rows.data<float>() + static_cast<std::int64_t>(i) * rows.dim(1));
  }
  return rows;
}

}  // namespace

Queries encode_queries(Encoder& encoder, const QueryParts& parts, const GallerySet& galleries) {
  const bool marked = !parts.right.empty() || !parts.wrong.empty();
  if (parts.texts.empty() && parts.image.empty()) invalid_input("there is nothing to look for; name a text or an image");
  if (marked && galleries.galleries().size() > 1) invalid_input("items of several galleries have the same numbers; mark items of one gallery");
  Tensor image, texts, away, right, wrong;
  if (!parts.image.empty()) {
    require_file(parts.image, "query image");
    image = encode_image_files(encoder, {parts.image});
  }
  if (!parts.texts.empty()) texts = encode_texts(encoder, parts.texts);
  if (!parts.not_texts.empty()) away = encode_texts(encoder, parts.not_texts);
  if (!parts.right.empty()) right = marked_rows(galleries, parts.right);
  if (!parts.wrong.empty()) wrong = marked_rows(galleries, parts.wrong);

  Queries queries;
  queries.names = parts.texts.empty() ? std::vector<std::string>{parts.image.string()} : parts.texts;
  const std::int64_t dim = encoder.card().embedding_dim;
  queries.rows = Tensor(DType::f32, {static_cast<std::int64_t>(queries.names.size()), dim});
  const bool combined = (texts.defined() && image.defined()) || away.defined() || marked;
  for (std::int64_t q = 0; q < queries.rows.dim(0); ++q) {
    const float* const text = texts.defined() ? texts.data<float>() + q * dim : nullptr;
    float* const to = queries.rows.data<float>() + q * dim;
    if (!combined) {  // to the bit what the encoder gave
      std::copy_n(text != nullptr ? text : image.data<float>(), dim, to);
      continue;
    }
    Vector sum(static_cast<std::size_t>(dim), 0.0);
    if (text != nullptr) add(sum, text, image.defined() ? 1 - parts.image_weight : 1);
    if (image.defined()) add(sum, image.data<float>(), text != nullptr ? parts.image_weight : 1);
    const auto to_unit = [&] {
      double squares = 0;
      for (const double x : sum) squares += x * x;
      if (!(squares > 1e-12)) invalid_input("nothing is left of the query \"{}\"; take less off it", queries.names[static_cast<std::size_t>(q)]);
      for (double& x : sum) x /= std::sqrt(squares);
    };
    to_unit();
    if (away.defined()) add_mean(sum, away, -parts.not_weight);
    for (double& x : sum) x *= kOfQuery;
    if (right.defined()) add_mean(sum, right, kOfRight);
    if (wrong.defined()) add_mean(sum, wrong, -kOfWrong);
    to_unit();
    std::transform(sum.begin(), sum.end(), to, [](double x) { return static_cast<float>(x); });
  }
  return queries;
}

}  // namespace edgeclip
