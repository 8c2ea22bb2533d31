#include "report/html.h"

#include <gtest/gtest.h>

namespace lora {
namespace {

TEST(Html, EscapesWhateverDataHolds) {
  EXPECT_EQ(html_text("</script><b a='1' c=\"2\">&amp;"),
            "&lt;/script&gt;&lt;b a=&#39;1&#39; c=&quot;2&quot;&gt;&amp;amp;");
  EXPECT_EQ(html_text("a\x01\x1F\tb\n"), "a␁␟\tb\n");
  EXPECT_EQ(html_text("x\xFF\xE2\x82y"), "x\xEF\xBF\xBD\xEF\xBF\xBDy");
  EXPECT_EQ(html_text("left \xE2\x80\xAE right"), "left [U+202E] right");
  EXPECT_EQ(visible_text("a<b \xE2\x80\xA8\xFF"), "a<b [U+2028]\xEF\xBF\xBD");
  EXPECT_EQ(script_json("[\"</script>&\"]"), "[\"\\u003c/script\\u003e\\u0026\"]");
  EXPECT_EQ(html_data("שלום"), "<bdi>שלום</bdi>");
}

TEST(Html, Numbers) {
  EXPECT_EQ(grouped_number(0), "0");
  EXPECT_EQ(grouped_number(999), "999");
  EXPECT_EQ(grouped_number(1234567), "1,234,567");
  EXPECT_EQ(percent(0), "0 %");
  EXPECT_EQ(percent(0.0001), "< 0.1 %");
  EXPECT_EQ(percent(0.043), "4.3 %");
  EXPECT_EQ(percent(0.5), "50 %");
}

TEST(Html, ThePageLoadsNothing) {
  const std::string page =
      html_page("a<b", "c", "<p>v</p>", {{"one", "One & two", "<p>body</p>"}}, "void 0;");
  EXPECT_NE(page.find("<title>a&lt;b</title>"), std::string::npos);
  EXPECT_NE(page.find("default-src 'none'"), std::string::npos);
  EXPECT_NE(page.find("One &amp; two"), std::string::npos);
  for (const char* loading : {"http:", "https:", "src=", "@import", "url("})
    EXPECT_EQ(page.find(loading), std::string::npos) << loading;
}

}  // namespace
}  // namespace lora
