using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text;
using ConcertSaga.Gateway.Queue;
using ConcertSaga.Shared.Hosting;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace ConcertSaga.Gateway.Tests.Hosts;

/// <summary>
/// Runs a gateway on a free port of this machine. Each cluster has its own path at the upstream, so a test sees which one was called.
/// </summary>
public sealed class GatewayHost : IAsyncDisposable
{
    public const string Secret = "secret-of-the-gateway-tests";

    private readonly WebApplication _app;

    private GatewayHost(WebApplication app)
    {
        _app = app;
        Address = new Uri(app.Urls.First());
        Client = new HttpClient(new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            UseProxy = false,
            // By default, a client that gets no answer within a second sends the body, and a closed connection then hides the refusal.
            Expect100ContinueTimeout = TimeSpan.FromSeconds(30),
            // Only the test adds trace headers.
            ActivityHeadersPropagator = null
        })
        { BaseAddress = Address };
    }

    public Uri Address { get; }

    public HttpClient Client { get; }

    /// <summary>The gateway's state of the waiting rooms.</summary>
    internal RoomDirectory Rooms => _app.Services.GetRequiredService<RoomDirectory>();

    public IServiceProvider Services => _app.Services;

    public static Task<GatewayHost> StartAsync(string upstream, IPAddress? remote = null, params string[] settings) =>
        StartWithAsync(upstream, builder =>
        {
            if (remote is not null)
                builder.Services.AddSingleton<IStartupFilter>(new RemoteAddress(remote));
        }, settings);

    /// <summary>Starts a gateway and lets it read its first snapshot, if the upstream has one.</summary>
    public static async Task<GatewayHost> StartWithAsync(string upstream, Action<WebApplicationBuilder> change, params string[] settings)
    {
        var builder = Builder(["--urls=http://127.0.0.1:0", .. Clusters(upstream), .. settings]);
        change(builder);
        builder.AddGateway();
        var app = builder.Build();
        app.UsePublicDefaults();
        app.MapGateway();
        await app.StartAsync();
        await app.Services.GetRequiredService<SnapshotReader>().ReadAsync();
        return new GatewayHost(app);
    }

    /// <summary>A host with the settings of every test gateway, before <c>AddGateway</c>.</summary>
    public static WebApplicationBuilder Builder(string[] settings)
    {
        // An empty content root, so that the routes come from the assembly and not from a file.
        var root = Directory.CreateDirectory(Path.Combine(AppContext.BaseDirectory, "empty")).FullName;
        var builder = WebApplication.CreateBuilder(new WebApplicationOptions
        {
            ContentRootPath = root,
            EnvironmentName = "Production",
            Args = [$"--Gateway:Secret={Secret}", "--Authentication:Demo:Enabled=true", $"--Authentication:Demo:Key={Tokens.Key}",
                .. settings]
        });
        builder.AddServiceDefaults("gateway-tests");
        builder.Logging.ClearProviders();
        return builder;
    }

    /// <summary>Sends a request. It adds a pass of the signed-in caller for concert 1, unless the headers contain a queue token.</summary>
    public Task<HttpResponseMessage> SendAsync(string method, string path, string? token = null, HttpContent? content = null,
        params (string Name, string Value)[] headers)
    {
        var request = new HttpRequestMessage(new HttpMethod(method), path) { Content = content };
        if (token is not null)
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        if (Tokens.UserOf(token) is { } userId && !headers.Any(header => header.Name == "X-Queue-Token"))
            request.Headers.Add("X-Queue-Token", QueueTokens.Pass(userId));
        foreach (var (name, value) in headers)
            request.Headers.TryAddWithoutValidation(name, value);
        return Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
    }

    /// <summary>Sends raw text, which may violate HTTP, and returns the whole answer.</summary>
    public async Task<string> SendRawAsync(string request)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        using var client = new TcpClient();
        await client.ConnectAsync(Address.Host, Address.Port, limit.Token);
        var stream = client.GetStream();
        await stream.WriteAsync(Encoding.Latin1.GetBytes(request), limit.Token);
        using var reader = new StreamReader(stream, Encoding.UTF8);
        return await reader.ReadToEndAsync(limit.Token);
    }

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        using var now = new CancellationTokenSource(TimeSpan.Zero);
        await _app.StopAsync(now.Token);
        await _app.DisposeAsync();
    }

    private static IEnumerable<string> Clusters(string upstream) =>
        new[] { "orchestrator", "seats", "points", "queue",
            "dataplatform", "operations" }.Select(name => $"--ReverseProxy:Clusters:{name}:Destinations:one:Address={upstream}/{name}");

    private sealed class RemoteAddress(IPAddress address) : IStartupFilter
    {
        public Action<IApplicationBuilder> Configure(Action<IApplicationBuilder> next) => app =>
        {
            app.Use((context, then) =>
            {
                context.Connection.RemoteIpAddress = address;
                return then(context);
            });
            next(app);
        };
    }
}
