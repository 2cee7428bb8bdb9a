using System.Net;
using System.Net.Sockets;
using System.Text;
using ConcertSaga.Shared.Hosting.Http;

namespace ConcertSaga.AllInOne.Tests.Http;

/// <summary>Checks on every route HEAD, other methods and any Accept, and the health of the process.</summary>
public sealed class AnswerTests(ServicesFixture services)
{
    [Fact]
    public async Task Head_OnEveryGet_AnswersAsGetWithoutABody()
    {
        foreach (var address in services.Routes.Where(route => route.Method == "GET").Select(route => route.Address)
            .Concat(["/health/live", "/health/ready", "/metrics"]))
        {
            var get = await services.SendAsync("GET", address);
            var head = await services.SendAsync("HEAD", address);
            Assert.True(get.Status == head.Status && head.Text.Length == 0, $"{get} {head}");
            Assert.Equal(get.MediaType, head.MediaType);
            Assert.Equal(get.Headers.ETag, head.Headers.ETag);
        }
    }

    [Fact]
    public async Task Method_Other_Is405WithAllow()
    {
        (string Method, string Address)[] ofTheHost = [("GET", "/health/live"), ("GET", "/health/ready"), ("GET", "/metrics")];
        foreach (var path in services.Routes.Select(route => (route.Method, route.Address)).Concat(ofTheHost)
            .GroupBy(route => route.Address, route => route.Method))
        {
            foreach (var method in new[] { "OPTIONS", "PUT", "PATCH", "POST", "DELETE", "TRACE", "PURGE" }.Except(path))
            {
                var reply = (await services.SendAsync(method, path.Key)).IsProblem(405, null, "METHOD_NOT_ALLOWED");
                Assert.Equal(path.Concat(path.Contains("GET") ? ["HEAD"] : []).Order(), reply.Message.Content.Headers.Allow.Order());
            }
        }
    }

    [Theory]
    [InlineData("text/event-stream")]
    [InlineData("text/html")]
    [InlineData("image/png")]
    [InlineData("application/problem+xml")]
    [InlineData("application/json;q=0")]
    [InlineData("nonsense")]
    [InlineData("")]
    public async Task Refusal_WithAnyAccept_IsAProblem(string accept)
    {
        foreach (var route in services.Routes)
        {
            (await services.SendAsync(route.IsChange ? route.Method : "POST", $"{route.Address}?nonsense=1", ServicesFixture.Json("{"),
                ("Accept", accept)))
                .IsProblem(route.IsChange || services.Routes.Any(other => other.Address == route.Address && other.Method == "POST") ? 400
                    : 405);
        }
        (await services.SendAsync("GET", "/api/nothing", null, ("Accept", accept))).IsProblem(404, null, "NOT_FOUND");
        // An operator asks for a reservation that does not exist.
        (await services.SendAsync("GET", "/api/reservations/0199c2f0-5a3e-7c41-9d0b-3f8e6a1b2c4d", null, ("Accept", accept)))
            .IsProblem(404, null, "RESERVATION_NOT_FOUND");
    }

    [Theory]
    [InlineData("+199c2f0-5a3e-7c41-9d0b-3f8e6a1b2c4d")]
    [InlineData("0x99c2f0-5a3e-7c41-9d0b-3f8e6a1b2c4d")]
    [InlineData("0199c2f05a3e7c419d0b3f8e6a1b2c4d")]
    public async Task IdempotencyKey_InAnotherForm_Is400(string key)
    {
        using var client = new HttpClient { BaseAddress = services.Client.BaseAddress };
        foreach (var (name, values) in services.Client.DefaultRequestHeaders.Where(header => header.Key != IdempotencyKey.Header))
            client.DefaultRequestHeaders.Add(name, values);
        client.DefaultRequestHeaders.Add(IdempotencyKey.Header, key);
        using var response = await client.PostAsync(new Uri("/api/points/charges", UriKind.Relative),
            ServicesFixture.Json("{\"amount\":1}"), TestContext.Current.CancellationToken);
        Assert.Contains("IDEMPOTENCY_KEY_INVALID", await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken),
            StringComparison.Ordinal);
    }

    [Fact]
    public async Task InnerWall_WithoutTheSecret_AnswersLikeAnUnknownRoute()
    {
        using var stranger = new HttpClient { BaseAddress = services.Client.BaseAddress };
        foreach (var (method, address) in services.Routes.Select(route => (route.Method, route.Address)).Append(("HEAD", "/api/points"))
            .Append(("OPTIONS", "/api/points")))
        {
            var inside = await services.SendAsync(method, "/api/nothing");
            using var request = new HttpRequestMessage(new HttpMethod(method), address);
            using var response = await stranger.SendAsync(request);
            Assert.Equal(HttpStatusCode.NotFound, response.StatusCode);
            Assert.Equal(inside.MediaType, response.Content.Headers.ContentType?.ToString());
            Assert.Equal(inside.Message.Headers.Select(header => header.Key), response.Headers.Select(header => header.Key));
            var text = await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
            Assert.Equal(inside.Text.Split("traceId")[0], text.Split("traceId")[0]);
        }
    }

    [Theory]
    [InlineData("\u0085")]
    [InlineData("\u007f")]
    public async Task UserId_WithControlCharacters_Is422(string character)
    {
        foreach (var route in services.Routes.Where(route =>
            route.Endpoint.Metadata.GetMetadata<System.Reflection.MethodInfo>()!.GetParameters()
            .Any(parameter => parameter.ParameterType == typeof(Caller))))
        {
            var answer = await RawAsync(route, $"mi{character}na");
            // Kestrel itself rejects some of these characters.
            Assert.True(answer.StartsWith("HTTP/1.1 4", StringComparison.Ordinal), $"{route}: {answer}");
        }
    }

    [Fact]
    public async Task Health_Ready_ListsChecksAndReasons()
    {
        var reply = await services.SendAsync("GET", "/health/ready");
        Assert.True(reply.Status == HttpStatusCode.OK && reply.Text.Contains("\"checks\":{", StringComparison.Ordinal)
            && reply.Text.Contains("\"reasons\":{", StringComparison.Ordinal), reply.ToString());
    }

    private async Task<string> RawAsync(Route route, string userId)
    {
        using var connection = new TcpClient();
        await connection.ConnectAsync(IPAddress.Loopback, services.Client.BaseAddress!.Port);
        var stream = connection.GetStream();
        var secret = services.Client.DefaultRequestHeaders.GetValues(InnerWall.SecretHeader).Single();
        await stream.WriteAsync(Encoding.UTF8.GetBytes(
            $"{route.Method} {route.Address} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{InnerWall.SecretHeader}: "
                + $"{secret}\r\n{Caller.UserIdHeader}: {userId}\r\n"
            + $"{Caller.UserRolesHeader}: ops\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{{}}"));
        using var reader = new StreamReader(stream);
        return await reader.ReadToEndAsync();
    }
}
