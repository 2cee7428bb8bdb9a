using System.IO.Compression;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json;
using ConcertSaga.Gateway.Queue;
using ConcertSaga.Gateway.Seats;
using ConcertSaga.Shared.Hosting.Http;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace ConcertSaga.AllInOne.Tests.Http;

/// <summary>Calls every public route of every service through the gateway, as an operator.</summary>
public sealed class PublicRouteTests(ServicesFixture services) : IAsyncLifetime
{
    private static readonly string[] Methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE", "PURGE"];

    // The routes that the gateway answers itself.
    private static readonly (string Method, string Address)[] OfTheGateway =
    [
        ("GET", "/health/live"), ("GET", "/health/ready"), ("GET", "/openapi.json"), ("GET", "/docs/"), ("POST", "/auth/demo"),
        ("GET", "/auth/sign-in"), ("POST", "/auth/sign-in"), ("GET", "/auth/session"), ("POST", "/auth/sign-out"),
        ("GET", "/api/queue/tokens/current/events"), ("GET", "/api/schedules/1/seats/events")
    ];

    private readonly HttpClient _client = new();
    private readonly string _keyFolder = Directory.CreateTempSubdirectory("concertsaga-keys-").FullName;
    private WebApplication? _gateway;

    private IEnumerable<Route> Public => services.Routes.Where(route => !route.Template.StartsWith("/internal", StringComparison.Ordinal));

    /// <inheritdoc />
    public async ValueTask InitializeAsync()
    {
        var builder = EmbeddedSystem.CreateGatewayBuilder(["--urls=http://127.0.0.1:0", "--Logging:Console:LogLevel:Default=None"],
            Convert.ToBase64String(new byte[32]), _keyFolder,
            services.Client.DefaultRequestHeaders.GetValues(InnerWall.SecretHeader).Single(),
            new RoomDirectory(TimeProvider.System), new SeatChangeFeed(), services.Services.GetRequiredService<HealthCheckService>());
        _gateway = EmbeddedSystem.BuildGateway(builder, services.Client.BaseAddress!);
        await _gateway.StartAsync();
        _client.BaseAddress = new Uri(_gateway.Urls.First());
        using var signIn = await _client.PostAsJsonAsync("/auth/demo", new { userId = "olga", roles = new[] { "ops" } });
        var token = (await signIn.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("accessToken").GetString();
        _client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", token);
    }

    /// <inheritdoc />
    public async ValueTask DisposeAsync()
    {
        _client.Dispose();
        await _gateway!.StopAsync();
        await _gateway.DisposeAsync();
        Directory.Delete(_keyFolder, recursive: true);
    }

    [Fact]
    public async Task Options_OfEveryPath_AllowsExactlyTheMethodsThatAreNot405()
    {
        var wrong = new List<string>();
        foreach (var path in Public.Select(route => (route.Method, route.Address)).Concat(OfTheGateway).GroupBy(route => route.Address,
            route => route.Method))
        {
            using var options = await SendAsync("OPTIONS", path.Key);
            var allowed = string.Join(' ', options.Content.Headers.Allow.Order());
            if ((int)options.StatusCode != 405 || allowed != string.Join(' ', path.Concat(path.Contains("GET") ? ["HEAD"] : []).Order()))
                wrong.Add($"{path.Key}: {(int)options.StatusCode}, Allow: {allowed}");
            foreach (var method in Methods)
            {
                using var response = await SendAsync(method, path.Key);
                if ((int)response.StatusCode == 405 == allowed.Split(' ').Contains(method))
                    wrong.Add($"{method} {path.Key}: {(int)response.StatusCode}, Allow: {allowed}");
            }
        }
        Assert.True(wrong.Count == 0, string.Join('\n', wrong));
    }

    [Fact]
    public async Task Body_Compressed_Is415NamingTheHeader()
    {
        var refused = 0;
        foreach (var (method, address) in Public.Where(route => route.IsChange).Select(route => (route.Method, route.Address))
            .Append(("POST", "/auth/demo")))
        {
            foreach (var encoding in new[] { "gzip", "br", "deflate", "zstd", "gzip, gzip" })
            {
                using var compressed = new MemoryStream();
                await using (var gzip = new GZipStream(compressed, CompressionLevel.Fastest, leaveOpen: true))
                    await gzip.WriteAsync("{}"u8.ToArray());
                var body = new ByteArrayContent(compressed.ToArray());
                body.Headers.TryAddWithoutValidation("Content-Type", "application/json");
                body.Headers.TryAddWithoutValidation("Content-Encoding", encoding);
                using var response = await SendAsync(method, address, body);
                var problem = await response.Content.ReadFromJsonAsync<JsonElement>();
                var code = problem.GetProperty("code").GetString();
                // The gateway checks the pass before a service sees the body.
                if (code == "QUEUE_TOKEN_MISSING")
                    continue;
                refused++;
                Assert.True(((int)response.StatusCode, code) == (415, "UNSUPPORTED_MEDIA_TYPE"), $"{method} {address}: {problem}");
                Assert.Contains("Content-Encoding", problem.GetProperty("detail").GetString(), StringComparison.Ordinal);
            }
        }
        Assert.True(refused >= 50, $"{refused}");
    }

    private Task<HttpResponseMessage> SendAsync(string method, string address, HttpContent? body = null) =>
        _client.SendAsync(new HttpRequestMessage(new HttpMethod(method), address) { Content = body },
            HttpCompletionOption.ResponseHeadersRead);
}
