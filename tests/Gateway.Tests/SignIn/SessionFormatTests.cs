using System.Security.Claims;
using ConcertSaga.Gateway.Http;
using ConcertSaga.Gateway.SignIn;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.Extensions.DependencyInjection;

namespace ConcertSaga.Gateway.Tests.SignIn;

public sealed class SessionFormatTests
{
    private static readonly DateTimeOffset End = DateTimeOffset.FromUnixTimeSeconds(1_790_000_000);

    private readonly SessionFormat _format = New();

    [Theory]
    [InlineData("mina", "")]
    [InlineData("0197b1d0-0000-7000-8000-000000000001", "")]
    [InlineData("0197b1d0-0000-7000-8000-000000000001", "ops,fan:gold")]
    public void Ticket_OfAUser_SurvivesInAtMost200Characters(string userId, string roles)
    {
        var text = _format.Protect(Ticket(userId, roles));
        var read = _format.Unprotect(text)!;

        Assert.Equal((userId, roles, End), (read.Principal.UserId(), string.Join(',', read.Principal.Roles()), read.Properties.ExpiresUtc));
        Assert.Equal(0x123456789abcdef0ul, SessionFormat.IdOf(read.Principal));
        Assert.InRange(text.Length, 80, 200);
    }

    [Fact]
    public void Ticket_ChangedAnywhere_IsRefused()
    {
        var text = _format.Protect(Ticket("mina", "ops"));
        for (var i = 0; i < text.Length - 1; i++)
            Assert.Null(_format.Unprotect($"{text[..i]}{(text[i] == 'A' ? 'B' : 'A')}{text[(i + 1)..]}"));
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("nonsense")]
    [InlineData("not base64 at all!")]
    public void Ticket_Malformed_IsRefused(string? text) => Assert.Null(_format.Unprotect(text));

    [Fact]
    public void Ticket_OfAnotherKeyRing_IsRefused() => Assert.Null(New().Unprotect(_format.Protect(Ticket("mina", ""))));

    /// <summary>A payload of the same keys for another purpose is no session.</summary>
    [Fact]
    public void Ticket_OfAnotherPurpose_IsRefused()
    {
        var keys = new EphemeralDataProtectionProvider();
        var other = new TicketDataFormat(keys.CreateProtector("another purpose"));

        Assert.Null(new SessionFormat(keys).Unprotect(other.Protect(Ticket("mina", ""))));
    }

    private static SessionFormat New()
    {
        var services = new ServiceCollection();
        services.AddDataProtection().UseEphemeralDataProtectionProvider();
        return new SessionFormat(services.BuildServiceProvider().GetRequiredService<IDataProtectionProvider>());
    }

    private static AuthenticationTicket Ticket(string userId, string roles) => new(
        new ClaimsPrincipal(new ClaimsIdentity(
            [new("sub", userId), new(SessionFormat.SessionId, "123456789abcdef0"),
                .. roles.Split(',', StringSplitOptions.RemoveEmptyEntries).Select(role => new Claim("roles", role))],
            SignInSchemes.Session)),
        new AuthenticationProperties { ExpiresUtc = End }, SignInSchemes.Session);
}
