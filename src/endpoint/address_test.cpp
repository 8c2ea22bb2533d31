#include "endpoint/address.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace lora {
namespace {

std::string shown(const std::string& url) {
  return chat_address(url, "test").shown();
}

std::string refusal(const std::string& url) {
  try {
    chat_address(url, "test");
  } catch (const Error& error) {
    return error.parts().found;
  }
  return "accepted";
}

TEST(Address, BaseUrlsAsServersDocumentThem) {
  EXPECT_EQ(shown("https://api.example.com/v1"), "https://api.example.com/v1/chat/completions");
  EXPECT_EQ(shown("https://api.example.com/v1/"), "https://api.example.com/v1/chat/completions");
  EXPECT_EQ(shown("https://api.example.com/v1/chat/completions"),
            "https://api.example.com/v1/chat/completions");
  EXPECT_EQ(shown("HTTP://LocalHost:8080"), "http://localhost:8080/chat/completions");
  EXPECT_EQ(shown("http://[::1]:9/x"), "http://[::1]:9/x/chat/completions");
}

TEST(Address, PortsFollowTheScheme) {
  EXPECT_EQ(chat_address("http://host/v1", "t").url.port, 80);
  EXPECT_EQ(chat_address("https://host/v1", "t").url.port, 443);
  EXPECT_EQ(chat_address("http://host:443/v1", "t").url.port, 443);
  EXPECT_EQ(chat_address("http://[::1]/v1", "t").url.port, 80);
  EXPECT_FALSE(chat_address("http://host/v1", "t").https);
}

TEST(Address, AQueryIsSentAndNeverShown) {
  const Address address = chat_address("https://host/openai?api-version=1&code=secret", "t");
  EXPECT_EQ(address.url.target, "/openai/chat/completions?api-version=1&code=secret");
  EXPECT_EQ(address.shown(), "https://host/openai/chat/completions");
  EXPECT_EQ(shown("http://host?code=secret"), "http://host/chat/completions");
}

TEST(Address, Loopback) {
  EXPECT_TRUE(chat_address("http://127.0.0.1:1/v1", "t").is_loopback());
  EXPECT_TRUE(chat_address("http://localhost/v1", "t").is_loopback());
  EXPECT_TRUE(chat_address("http://[::1]/v1", "t").is_loopback());
  EXPECT_FALSE(chat_address("http://192.168.0.1/v1", "t").is_loopback());
}

TEST(Address, WhatIsNoUrlIsRefused) {
  EXPECT_NE(refusal("file:///etc/passwd").find("no http or https URL"), std::string::npos);
  EXPECT_NE(refusal("").find("no http or https URL"), std::string::npos);
  EXPECT_NE(refusal("http://user:pw@host/v1").find("password"), std::string::npos);
  EXPECT_NE(refusal("http://ho st/v1"), "accepted");
  EXPECT_NE(refusal("http://host:99999/v1"), "accepted");
  EXPECT_NE(refusal("http:///v1"), "accepted");
}

}  // namespace
}  // namespace lora
