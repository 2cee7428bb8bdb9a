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

/// <summary>A gateway on a free port of this machine. Each cluster has a path of its own at the upstream, so that a test sees which was asked.</summary>
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
            // A test sends the trace headers it means to send.
            ActivityHeadersPropagator = null
        })
        { BaseAddress = Address };
    }

    public Uri Address { get; }

    public HttpClient Client { get; }

    /// <summary>What the gateway knows of the waiting rooms.</summary>
    internal WaitingRoom Room => _app.Services.GetRequiredService<WaitingRoom>();

    public IServiceProvider Services => _app.Services;

    public static Task<GatewayHost> StartAsync(string upstream, IPAddress? remote = null, params string[] settings) =>
        StartWithAsync(upstream, builder =>
        {
            if (remote is not null)
                builder.Services.AddSingleton<IStartupFilter>(new RemoteAddress(remote));
        }, settings);

    /// <summary>Starts a gateway that has read its first snapshot, if there is one.</summary>
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

    /// <summary>A host with the settings every gateway of the tests has, before the gateway is added to it.</summary>
    public static WebApplicationBuilder Builder(string[] settings)
    {
        // A content root of its own: the routes have to come with the gateway, not from a file that happens to lie about.
        var root = Directory.CreateDirectory(Path.Combine(AppContext.BaseDirectory, "empty")).FullName;
        var builder = WebApplication.CreateBuilder(new WebApplicationOptions
        {
            ContentRootPath = root,
            EnvironmentName = "Production",
            Args = [$"--Gateway:Secret={Secret}", "--Authentication:Demo:Enabled=true", $"--Authentication:Demo:Key={Tokens.Key}", .. settings]
        });
        builder.AddServiceDefaults("gateway-tests");
        builder.Logging.ClearProviders();
        return builder;
    }

    /// <summary>Sends a request; a signed-in caller has a pass of their own for concert 1, unless the headers name another.</summary>
    public Task<HttpResponseMessage> SendAsync(string method, string path, string? token = null, HttpContent? content = null, params (string Name, string Value)[] headers)
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

    /// <summary>Sends bytes as they are, which no well-behaved client would, and returns the whole answer.</summary>
    public async Task<string> SendRawAsync(string request)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(20));
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
        new[] { "orchestrator", "seats", "points", "queue", "dataplatform" }.Select(name => $"--ReverseProxy:Clusters:{name}:Destinations:one:Address={upstream}/{name}");

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
