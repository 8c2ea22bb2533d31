#include "hub/url.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace lora {
namespace {

TEST(Url, IsTakenApart) {
  const Url url = parse_url("HTTPS://Example.ORG:8443/a/b%20c?x=1&y=%C3%BC#part", "test");
  EXPECT_EQ(url.host, "example.org");
  EXPECT_EQ(url.port, 8443);
  EXPECT_EQ(url.target, "/a/b%20c?x=1&y=%C3%BC");
  EXPECT_EQ(url.text(), "https://example.org:8443/a/b%20c?x=1&y=%C3%BC");
  EXPECT_EQ(url.shown(), "https://example.org:8443/a/b%20c") << "a query may hold a signature";
  EXPECT_EQ(parse_url("https://a", "test").target, "/");
  EXPECT_EQ(parse_url("https://a?q", "test").target, "/?q");
  EXPECT_EQ(parse_url("https://[::1]:5/x", "test").host, "::1");
  EXPECT_EQ(parse_url("https://[::1]:5/x", "test").text(), "https://[::1]:5/x");
  EXPECT_EQ(parse_url("https://a/\xC3\xBC", "test").target, "/%C3%BC");
}

TEST(Url, RefusesAllButHttps) {
  for (const char* text : {"",
                           "http://a/",
                           "HTTP://a/",
                           "ftp://a/",
                           "file:///etc/passwd",
                           "https:/a",
                           "https://",
                           "https:///x",
                           "https://a:0/",
                           "https://a:65536/",
                           "https://a:x/",
                           "https://a:123456/",
                           "https://u@a/",
                           "https://u:p@a/",
                           "https://a b/",
                           "https://a/ b",
                           "https://a/\r\nX: y",
                           "https://a/\\b",
                           "https://[a/",
                           "https://[a]/",
                           "https://[::1]x/",
                           "https://a\n/",
                           "javascript:alert(1)",
                           "//a/b"})
    EXPECT_THROW(parse_url(text, "test"), Error) << text;
}

TEST(Url, RedirectsAreResolved) {
  const Url base = parse_url("https://hub.example/a/b?q=1", "test");
  EXPECT_EQ(resolve_redirect(base, "https://cdn.example:1/x?s").text(), "https://cdn.example:1/x?s");
  EXPECT_EQ(resolve_redirect(base, "//cdn.example/x").text(), "https://cdn.example/x");
  EXPECT_EQ(resolve_redirect(base, "/x?y").text(), "https://hub.example/x?y");
  EXPECT_EQ(resolve_redirect(base, "c").text(), "https://hub.example/a/c");
  EXPECT_EQ(resolve_redirect(base, "?z").text(), "https://hub.example/a/b?z");
  EXPECT_EQ(resolve_redirect(base, "/x?u=http://y").text(), "https://hub.example/x?u=http://y");
  for (const char* location : {"", "http://hub.example/", "data:x", "mailto:a@b", "https://u:p@x/"})
    EXPECT_THROW(resolve_redirect(base, location), Error) << location;
}

TEST(Url, OriginIsHostAndPort) {
  const Url hub = parse_url("https://hub.example/", "test");
  EXPECT_TRUE(hub.same_origin(parse_url("https://HUB.example:443/x", "test")));
  EXPECT_FALSE(hub.same_origin(parse_url("https://hub.example:444/", "test")));
  EXPECT_FALSE(hub.same_origin(parse_url("https://hub.example.evil/", "test")));
}

TEST(Url, PathsBelowAreEncoded) {
  const Url base = parse_url("https://mirror.example/hf/?q", "test");
  EXPECT_EQ(url_below(base, "a b/c?#%.json").target, "/hf/a%20b/c%3F%23%25.json");
  EXPECT_EQ(url_below(parse_url("https://a", "test"), "x").target, "/x");
  EXPECT_EQ(percent_encoded("refs/pr/1", false), "refs%2Fpr%2F1");
}

}  // namespace
}  // namespace lora
