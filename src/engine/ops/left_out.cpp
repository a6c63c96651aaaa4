#include "engine/ops/left_out.h"

#include <map>

namespace edgeclip::engine {

namespace {

constexpr const char* kDataShape = "the shape of its output depends on data, and a plan has fixed ones";
constexpr const char* kControl = "graphs have no control flow";
constexpr const char* kSequences = "values are tensors, not sequences";
constexpr const char* kOptionals = "values are tensors, not optionals";
constexpr const char* kStrings = "tensors hold numbers, not strings";
constexpr const char* kRandom = "results must not depend on chance";

}  // namespace

const std::map<std::string, const char*>& left_out_operators() {
  static const std::map<std::string, const char*> all = {
      {"NonZero", kDataShape},
      {"NonMaxSuppression", kDataShape},
      {"Unique", kDataShape},
      {"ImageDecoder", kDataShape},
      {"If", kControl},
      {"Loop", kControl},
      {"Scan", kControl},
      {"ConcatFromSequence", kSequences},
      {"SequenceAt", kSequences},
      {"SequenceConstruct", kSequences},
      {"SequenceEmpty", kSequences},
      {"SequenceErase", kSequences},
      {"SequenceInsert", kSequences},
      {"SequenceLength", kSequences},
      {"SequenceMap", kSequences},
      {"SplitToSequence", kSequences},
      {"Optional", kOptionals},
      {"OptionalGetElement", kOptionals},
      {"OptionalHasElement", kOptionals},
      {"RegexFullMatch", kStrings},
      {"StringConcat", kStrings},
      {"StringNormalizer", kStrings},
      {"StringSplit", kStrings},
      {"TfIdfVectorizer", kStrings},
      {"Bernoulli", kRandom},
      {"Multinomial", kRandom},
      {"RandomNormal", kRandom},
      {"RandomNormalLike", kRandom},
      {"RandomUniform", kRandom},
      {"RandomUniformLike", kRandom},
  };
  return all;
}

std::string why_left_out(const std::string& op) {
  const auto it = left_out_operators().find(op);
  return it == left_out_operators().end() ? "" : it->second;
}

}  // namespace edgeclip::engine
