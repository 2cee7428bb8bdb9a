using ConcertSaga.Gateway.SignIn;

namespace ConcertSaga.Gateway.Tests.SignIn;

public sealed class ReturnUrlTests
{
    [Theory]
    [InlineData("/")]
    [InlineData("/concerts/1?date=2026-05-01&page=2#seats")]
    [InlineData("/%EA%B3%B5%EC%97%B0")]
    [InlineData("/a//b")]
    [InlineData("/search?q=100%25")]
    public void Address_LocalPath_IsKept(string text) => Assert.Equal(text, ReturnUrl.Read([text]));

    [Theory]
    [InlineData("")]
    [InlineData("concerts")]
    [InlineData("https://evil.example/")]
    [InlineData("https:evil.example")]
    [InlineData("javascript:alert(1)")]
    [InlineData("//evil.example")]
    [InlineData("///evil.example")]
    [InlineData("/\\evil.example")]
    [InlineData("\\/evil.example")]
    [InlineData("\\\\evil.example")]
    [InlineData("/a\\..\\b")]
    [InlineData(" //evil.example")]
    [InlineData("/\t/evil.example")]
    [InlineData("/\n/evil.example")]
    [InlineData("/a\r\nSet-Cookie: concert=x")]
    [InlineData("/a\0b")]
    [InlineData("/a b")]
    [InlineData("/공연")]
    [InlineData("/%2Fevil.example")]
    [InlineData("/%2fevil.example")]
    [InlineData("/%5Cevil.example")]
    [InlineData("/%252Fevil.example")]
    [InlineData("/%25252Fevil.example")]
    [InlineData("/%09/evil.example")]
    [InlineData("/%0d%0aSet-Cookie:x")]
    [InlineData("/%00")]
    [InlineData("%2F%2Fevil.example")]
    public void Address_NotLocal_IsReplacedByTheHomePage(string text) => Assert.Equal("/", ReturnUrl.Read([text]));

    [Fact]
    public void Address_MissingRepeatedOrTooLong_IsReplacedByTheHomePage()
    {
        Assert.Equal("/", ReturnUrl.Read([]));
        Assert.Equal("/", ReturnUrl.Read([null]));
        Assert.Equal("/", ReturnUrl.Read(["/a", "/b"]));
        Assert.Equal("/", ReturnUrl.Read(["/" + new string('a', 1024)]));
    }
}
