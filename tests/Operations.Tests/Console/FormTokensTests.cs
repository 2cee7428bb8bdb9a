using System.Globalization;
using ConcertSaga.OperatorConsole.Hosting;
using ConcertSaga.Shared.Hosting.Http;
using ConcertSaga.Testing;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Options;
using Microsoft.Extensions.Primitives;
using Xunit;

namespace ConcertSaga.Operations.Tests.Console;

public sealed class FormTokensTests
{
    private readonly ShiftedClock _clock = new();

    [Fact]
    public async Task Token_OnAnotherReplica_IsValid() => Assert.True(await IsValidAsync(Write("olga"), "olga"));

    [Fact]
    public async Task Token_OfAnotherOperator_IsInvalid() => Assert.False(await IsValidAsync(Write("olga"), "omar"));

    [Fact]
    public async Task Token_OfAnotherSecret_IsInvalid() =>
        Assert.False(await IsValidAsync(Write("olga"), "olga", "another secret of a test"));

    [Fact]
    public async Task Token_AfterItsLifetime_IsInvalid()
    {
        var token = Write("olga");
        _clock.Advance(TimeSpan.FromHours(12) + TimeSpan.FromSeconds(1));

        Assert.False(await IsValidAsync(token, "olga"));
    }

    [Theory]
    [InlineData("")]
    [InlineData("9999999999")]
    [InlineData("9999999999.")]
    [InlineData("9999999999.AAAA")]
    [InlineData(".AAAA")]
    [InlineData("a.b.c")]
    [InlineData("9999999999.!")]
    public async Task Token_Forged_IsInvalid(string token) => Assert.False(await IsValidAsync(token, "olga"));

    [Fact]
    public async Task Token_WithALaterEnd_IsInvalid()
    {
        var parts = Write("olga").Split('.');

        Assert.False(await IsValidAsync($"{long.Parse(parts[0], CultureInfo.InvariantCulture) + 1}.{parts[1]}", "olga"));
    }

    private string Write(string user) => Tokens("the secret of a test").GetTokens(Of(user)).RequestToken!;

    private Task<bool> IsValidAsync(string token, string user, string secret = "the secret of a test")
    {
        var context = Of(user);
        context.Request.Method = "POST";
        context.Request.ContentType = "application/x-www-form-urlencoded";
        context.Request.Form = new FormCollection(new Dictionary<string, StringValues> { [FormTokens.Field] = token });
        return Tokens(secret).IsRequestValidAsync(context);
    }

    private FormTokens Tokens(string secret) => new(Options.Create(new InnerWallOptions { Secret = secret }), _clock);

    private static DefaultHttpContext Of(string user) => new() { Request = { Headers = { [Caller.UserIdHeader] = user } } };
}
