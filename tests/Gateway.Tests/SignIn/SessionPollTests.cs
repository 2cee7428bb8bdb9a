using ConcertSaga.Gateway.Queue;
using ConcertSaga.Gateway.Tests.Hosts;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace ConcertSaga.Gateway.Tests.SignIn;

/// <summary>Polls with a session cookie take the same quick path as polls with a bearer token.</summary>
public sealed class SessionPollTests(GatewayFixture fixture) : IClassFixture<GatewayFixture>
{
    private const string Path = "/api/queue/tokens/current";

    [Fact]
    public async Task Poll_WithASession_TakesTheQuickPathUntilItEnds()
    {
        using var page = new PageClient(fixture.Gateway);
        await page.SignInAsync();
        var token = QueueTokens.Waiting("mina", 42);
        var session = page.Session!;
        Assert.False(TakesQuickPath($"concert={session}", token));
        Assert.Equal(200, await PollAsync(page, token));

        Assert.True(TakesQuickPath($"concert={session}", token));
        Assert.True(TakesQuickPath($"theme=dark; concert={session}", token));
        Assert.False(TakesQuickPath($"concert={session}", QueueTokens.Waiting("tom", 42)));
        Assert.False(TakesQuickPath($"concert={session}", token, "Bearer nonsense"));
        Assert.False(TakesQuickPath("", token, $"Bearer {session}"));
        Assert.False(TakesQuickPath($"concert=Bearer {Tokens.For("mina")}", token));

        using var response = await page.ChangeAsync("POST", "/auth/sign-out");
        Assert.False(TakesQuickPath($"concert={session}", token));
        page.SetSession(session);
        Assert.Equal(401, await PollAsync(page, token));
    }

    /// <summary>An answer to a cookie is as short to produce as one to a bearer token; the limit is that of bearer polls.</summary>
    [Fact]
    public async Task Poll_WithASession_AllocatesLikeOneWithABearerToken()
    {
        using var page = new PageClient(fixture.Gateway);
        await page.SignInAsync();
        var token = QueueTokens.Waiting("mina", 42);
        await PollAsync(page, token);
        var handler = fixture.Gateway.Services.GetRequiredService<QuickPollHandler>();
        var context = Context($"concert={page.Session}", token, null);
        for (var i = 0; i < 100; i++)
            Answer();

        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 50; i++)
            Answer();

        Assert.InRange((GC.GetAllocatedBytesForCurrentThread() - before) / 50, 1, 4096);

        void Answer()
        {
            context.Response.Body = new MemoryStream(2048);
            Assert.True(handler.Answer(context)!.IsCompletedSuccessfully);
        }
    }

    private static async Task<int> PollAsync(PageClient page, string token)
    {
        using var response = await page.SendAsync("GET", Path, null, ("X-Queue-Token", token));
        return (int)response.StatusCode;
    }

    private bool TakesQuickPath(string cookie, string token, string? authorization = null) =>
        fixture.Gateway.Services.GetRequiredService<QuickPollHandler>().Answer(Context(cookie, token, authorization)) is not null;

    private DefaultHttpContext Context(string cookie, string token, string? authorization)
    {
        var context = new DefaultHttpContext { RequestServices = fixture.Gateway.Services };
        context.Request.Method = "GET";
        context.Request.Scheme = "http";
        context.Request.Host = new HostString("127.0.0.1");
        context.Request.Path = Path;
        context.Request.Headers.Cookie = cookie;
        context.Request.Headers["X-Queue-Token"] = token;
        if (authorization is not null)
            context.Request.Headers.Authorization = authorization;
        context.SetEndpoint(fixture.Gateway.Services.GetRequiredService<EndpointDataSource>().Endpoints
            .Single(endpoint => endpoint.DisplayName == "queue-place"));
        return context;
    }
}
