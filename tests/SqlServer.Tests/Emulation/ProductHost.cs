using System.Net.Http.Json;
using System.Text.Json;
using ConcertSaga.Contracts;
using ConcertSaga.DataPlatform;
using ConcertSaga.Operations;
using ConcertSaga.Orchestrator;
using ConcertSaga.Payments;
using ConcertSaga.Points;
using ConcertSaga.Queue;
using ConcertSaga.Seats;
using ConcertSaga.Shared.Hosting;
using ConcertSaga.Shared.Hosting.Http;
using ConcertSaga.Shared.Hosting.Messaging;
using MassTransit;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace ConcertSaga.SqlServer.Tests.Emulation;

/// <summary>Runs all services in one host configured for SQL Server, and calls them as the gateway does.</summary>
internal sealed class ProductHost : IAsyncDisposable
{
    private const string Secret = "a secret of the tests";

    private readonly WebApplication _app;
    private readonly HttpClient _client;

    private ProductHost(WebApplication app)
    {
        _app = app;
        _client = new HttpClient { BaseAddress = new Uri(app.Urls.First()) };
        _client.DefaultRequestHeaders.Add(InnerWall.SecretHeader, Secret);
    }

    public IServiceProvider Services => _app.Services;

    /// <param name="addressOf">Returns the connection string of an owner's database.</param>
    /// <param name="clock">The clock of the host.</param>
    /// <param name="configure">Adds services.</param>
    /// <param name="settings">Configuration, such as <c>Faults:Enabled=true</c>.</param>
    public static async Task<ProductHost> StartAsync(
        Func<string, string> addressOf, TimeProvider clock, Action<IServiceCollection>? configure = null, params string[] settings)
    {
        var builder = WebApplication.CreateBuilder(new WebApplicationOptions { ContentRootPath = AppContext.BaseDirectory });
        builder.Configuration.AddInMemoryCollection(
            Owners.Names.ToDictionary(owner => $"ConnectionStrings:{owner}", owner => (string?)addressOf(owner)));
        builder.Configuration.AddInMemoryCollection(new Dictionary<string, string?>
        {
            ["urls"] = "http://127.0.0.1:0",
            ["Database:Provider"] = "SqlServer",
            ["Messaging:Transport"] = "InMemory",
            ["Gateway:Secret"] = Secret,
            ["Seats:SeedDemoData"] = "true",
            ["Reservation:AnswerTimeout"] = "00:00:10",
            ["Operations:SecondLookAfter"] = "00:00:00.1",
            ["DataPlatform:Secrets"] = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            ["DataPlatform:AllowedNetworks"] = "127.0.0.1/32"
        });
        builder.Configuration.AddInMemoryCollection(
            settings.Select(setting => KeyValuePair.Create(setting.Split('=')[0], (string?)setting.Split('=')[1])));
        builder.Services.AddSingleton(clock);
        builder.AddServiceDefaults("tests");
        builder.Logging.SetMinimumLevel(LogLevel.Warning);
        builder.AddOrchestrator();
        builder.AddQueue();
        builder.AddSeats();
        builder.AddPoints();
        builder.AddPayments();
        builder.AddDataPlatform();
        builder.AddOperations();
        builder.AddMessaging(bus =>
        {
            bus.AddOrchestratorConsumers(builder.Configuration);
            bus.AddQueueConsumers();
            bus.AddSeatsConsumers();
            bus.AddPointsConsumers();
            bus.AddPaymentsConsumers();
            bus.AddDataPlatformConsumers();
            bus.AddOperationsConsumers();
        });
        configure?.Invoke(builder.Services);

        var app = builder.Build();
        app.UseServiceDefaults();
        app.MapOrchestrator();
        app.MapQueue();
        app.MapSeats();
        app.MapPoints();
        app.MapPayments();
        app.MapDataPlatform();
        app.MapOperations();
        await app.StartAsync();
        app.Services.GetRequiredService<IOptions<QueueOptions>>().Value.SeatsAddress = new Uri(app.Urls.First());
        app.Services.GetRequiredService<IOptions<ReservationOptions>>().Value.SeatsAddress = new Uri(app.Urls.First());
        app.Services.GetRequiredService<IOptions<ReservationOptions>>().Value.DataPlatformAddress = new Uri(app.Urls.First());
        app.Services.GetRequiredService<IOptions<QueueOptions>>().Value.OrchestratorAddress = new Uri(app.Urls.First());
        app.Services.GetRequiredService<IOptions<OperationsOptions>>().Value.UseAddress(new Uri(app.Urls.First()));
        return new ProductHost(app);
    }

    /// <summary>Calls a route as a user.</summary>
    public async Task<(int Status, JsonElement Body)> CallAsync(
        string user, HttpMethod method, string route, object? body = null, Guid? key = null, string? etag = null,
        Guid? queueToken = null)
    {
        using var request = new HttpRequestMessage(method, route);
        request.Headers.Add(Caller.UserIdHeader, user);
        if (body is not null)
            request.Content = JsonContent.Create(body);
        if (key is not null)
            request.Headers.Add(IdempotencyKey.Header, key.ToString());
        if (etag is not null)
            request.Headers.Add("If-None-Match", etag);
        if (queueToken is not null)
        {
            request.Headers.Add(Caller.QueueTokenIdHeader, queueToken.ToString());
            request.Headers.Add(Caller.QueueConcertIdHeader, "1");
        }
        if (route.StartsWith("/ops", StringComparison.Ordinal))
            request.Headers.Add(Caller.UserRolesHeader, "ops");
        using var response = await _client.SendAsync(request);
        var text = await response.Content.ReadAsStringAsync();
        var isJson = response.Content.Headers.ContentType?.MediaType?.EndsWith("json", StringComparison.Ordinal) is true;
        return ((int)response.StatusCode, isJson ? JsonDocument.Parse(text).RootElement : default);
    }

    /// <summary>Sends a command to its queue.</summary>
    public async Task SendAsync(string queue, object command)
    {
        var endpoint = await Services.GetRequiredService<IBus>().GetSendEndpoint(CommandQueues.AddressOf(queue));
        await endpoint.Send(command);
    }

    public async ValueTask DisposeAsync()
    {
        _client.Dispose();
        await _app.StopAsync();
        await _app.DisposeAsync();
    }
}
