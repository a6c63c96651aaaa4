#include "cli/runtime/report/worst_page.h"

#include <fmt/format.h>

#include "base/build_info.h"
#include "cli/runtime/report/hit_figure.h"
#include "cli/runtime/report/html.h"
#include "cli/runtime/report/names.h"

namespace edgeclip::report {

namespace {

std::string query_section(const WorstQuery& query, std::size_t place, int& missing) {
  const ExampleRetrieval& found = query.found;
  const std::string where = found.first_right == 0
                                ? "no right image is there"
                                : fmt::format("first of {} right image{} at rank {}", query.relevant,
                                              query.relevant == 1 ? "" : "s", found.first_right);
  std::string html = fmt::format(
      "<p class=\"note\">person {}, caption {} of the split; AP {:.2f} %, {}</p>\n<div class=\"hits\">\n",
      found.id, query.number + 1, 100 * query.ap, where);
  for (const auto& hit : found.hits) html += hit_figure(hit.path, hit.right, hit.score, "", missing);
  if (found.first_right > static_cast<std::int64_t>(found.hits.size()))
    html += "<span class=\"note\" style=\"align-self: center\">…</span>\n" +
            hit_figure(query.right.path, true, query.right.score, fmt::format("rank {}", found.first_right),
                       missing);
  html += "</div>\n";
  return html_section(fmt::format("{}. “{}”", place, found.caption), html);
}

}  // namespace

std::string worst_page(const WorstPageTitle& title, const Evaluation& evaluation) {
  const RetrievalMetrics& all = evaluation.text_to_image;
  std::string body = fmt::format(
      "<p class=\"note\">{} of {} captions of {}, split {}, against {} images: those with the lowest average "
      "precision (AP), worst first. "
      "Of all captions: R@1 {:.2f} %, mAP {:.2f} %. Score: cosine.</p>\n",
      evaluation.worst.size(), evaluation.queries, escape_html(artifact_name(title.data)),
      escape_html(title.split), evaluation.gallery, all.r1, all.map);
  int missing = 0;
  for (std::size_t i = 0; i < evaluation.worst.size(); ++i)
    body += query_section(evaluation.worst[i], i + 1, missing);
  return html_page("Worst queries of " + artifact_name(title.model), body + missing_note(missing),
                   fmt::format("edgeclip {} ({})", version(), revision()));
}

}  // namespace edgeclip::report
