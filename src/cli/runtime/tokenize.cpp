#include "base/error.h"
#include "base/npy.h"
#include "base/report_file.h"
#include "cli/runtime/commands.h"
#include "cli/runtime/options_command.h"
#include "cli/runtime/texts.h"
#include "data/text/tokenizer.h"

namespace edgeclip {

namespace {

struct Options {
  std::string tokenizer, convention, input, out;
  std::vector<std::string> text;
  int context_length = 77;

  template <class Visitor>
  void fields(Visitor& v) {
    v("tokenizer", tokenizer,
      "clip:FILE, bert:vocab.txt, sentencepiece:FILE.model, or a folder (Hugging Face's, or one of "
      "edgeclip)");
    v("convention", convention,
      "of CLIP's tokenizer: openai | huggingface; of a sentencepiece model: eos | bos,eos, with ,pad=ID or "
      "without; "
      "default: as the files are usually used");
    v("input", input, "file of texts: one per line, or a JSON list");
    v("text", text, "a text whose ids and pieces are printed; repeatable");
    v("out", out, "ids.npy: (texts, context length) int32, padded");
    v("context_length", context_length, "most ids of a text, ends included");
  }
  void validate(const std::string& where) const {
    if (context_length < 2 || context_length > 1 << 20)
      invalid_input("{}context_length: {} is not within 2..{}", where, context_length, 1 << 20);
  }
};

class TokenizeCommand : public OptionsCommand<Options> {
 public:
  const char* name() const override { return "tokenize"; }
  const char* summary() const override { return "Shows the token ids that a text tower sees"; }
  const char* example() const override {
    return "tokenize --tokenizer plan/tokenizer --text \"a man in a red coat\"";
  }
  std::vector<std::string> more_examples() const override {
    return {"tokenize --tokenizer clip:bpe_simple_vocab_16e6.txt.gz --input queries.txt --out ids.npy"};
  }

 protected:
  Json execute(const Options& options) override {
    require(options.tokenizer, "--tokenizer");
    if (options.input.empty() == options.text.empty())
      invalid_input("name what is tokenized: either --text \"...\", or --input FILE with --out ids.npy");
    if (!options.input.empty()) require(options.out, "--out");
    if (!options.out.empty()) require_report_output(options.out, ReportKind::kNpy, {options.input});
    const auto tokenizer = load_tokenizer(options.tokenizer, options.convention);
    const auto texts = options.input.empty() ? options.text : read_texts(options.input);
    warn_of_unseen(*tokenizer, texts, options.context_length);
    Json report = {{"texts", texts.size()},
                   {"vocab_size", tokenizer->vocab_size()},
                   {"begin", tokenizer->begin_id()},
                   {"end", tokenizer->end_id()},
                   {"pad", tokenizer->pad_id()}};
    if (!options.out.empty()) {
      write_npy(options.out, tokenizer->encode_batch(texts, options.context_length, /*fixed_length=*/true));
      print(fmt::format("{}: {} texts, {} ids each\n", options.out, texts.size(), options.context_length));
    }
    Json rows = Json::array();
    std::size_t cut = 0;
    for (const auto& text : texts) {
      cut += tokenizer->encode(text).size() >
                     static_cast<std::size_t>(options.context_length - tokenizer->ends())
                 ? 1
                 : 0;
      if (options.text.empty()) continue;
      const auto ids = tokenizer->encode_with_ends(text, options.context_length);
      Json pieces = Json::array();
      std::string line;
      for (const auto id : ids) {
        pieces.push_back(tokenizer->piece(id));
        line += fmt::format("{}{} {}", line.empty() ? "" : ", ", id, tokenizer->piece(id));
      }
      print(line + "\n");
      rows.push_back({{"text", text}, {"ids", ids}, {"pieces", pieces}});
    }
    report["cut_off"] = cut;
    if (!options.text.empty()) report["rows"] = rows;
    return report;
  }
};

}  // namespace

std::unique_ptr<Command> tokenize_command() { return std::make_unique<TokenizeCommand>(); }

}  // namespace edgeclip
