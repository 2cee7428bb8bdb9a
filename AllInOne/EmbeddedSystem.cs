using System.Security.Cryptography;
using ConcertSaga.DataPlatform;
using ConcertSaga.Gateway;
using ConcertSaga.Gateway.Queue;
using ConcertSaga.Gateway.Seats;
using ConcertSaga.Orchestrator;
using ConcertSaga.Payments;
using ConcertSaga.Points;
using ConcertSaga.Queue;
using ConcertSaga.Seats;
using ConcertSaga.Shared.Hosting;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Shared.Hosting.Messaging;
using MassTransit;
using Microsoft.Extensions.Options;

namespace ConcertSaga.AllInOne;

/// <summary>
/// The whole system in one process: all services in one host on a loopback port of their own, with one bus and one database file each, and
/// the gateway in a second host in front. The two share nothing but the address, the gateway's secret
/// and what the bus tells the gateway, so the public port reaches exactly
/// what the gateway routes.
/// </summary>
public static class EmbeddedSystem
{
    private static readonly string[] Clusters = ["orchestrator", "queue", "seats", "points", "dataplatform"];

    /// <summary>Serves until the process is told to stop.</summary>
    public static async Task RunAsync(string[] args)
    {
        using var data = DataDirectory.Take(new ConfigurationBuilder().AddEnvironmentVariables().AddCommandLine(args).Build()["DataDirectory"]);
        var secret = Convert.ToHexString(RandomNumberGenerator.GetBytes(32));

        // The services' bus feeds what the gateway knows.
        var (room, changes) = (new WaitingRoom(TimeProvider.System), new SeatChanges());

        await using var receiver = await DefaultDestination.StartAsync(args);
        await using var services = BuildServices(args, data.Path, secret, room, changes, DefaultDestination.SettingsOf(receiver));
        await services.Services.MigrateAsync(CancellationToken.None);
        await SeatsService.SeedDemoDataAsync(services.Services, CancellationToken.None);
        await services.StartAsync();
        // Known only now; those who ask there ask again until it is.
        var inner = new Uri(services.Urls.First());
        services.Services.GetRequiredService<IOptions<QueueOptions>>().Value.SeatsAddress ??= inner;
        services.Services.GetRequiredService<IOptions<DataPlatformOptions>>().Value.OrchestratorAddress ??= inner;
        try
        {
            await using var gateway = BuildGateway(args, data, secret, inner, room, changes);
            await WaitForBusAsync(services.Services.GetRequiredService<IBusControl>());
            await gateway.StartAsync();
            await Console.Out.WriteLineAsync($"ConcertSaga serves on {string.Join(", ", gateway.Urls)}; data in {data.Path}.");
            if (receiver is not null)
                await Console.Out.WriteLineAsync($"What the data platform was told: {new Uri(receiver.Address, "/received")}");
            await gateway.WaitForShutdownAsync();
        }
        finally
        {
            await services.StopAsync();
        }
    }

    internal static WebApplication BuildServices(
        string[] args, string dataDirectory, string secret, WaitingRoom room, SeatChanges changes, IEnumerable<KeyValuePair<string, string?>> destination)
    {
        var builder = CreateBuilder(args, "services", secret, new(destination)
        {
            ["DataDirectory"] = dataDirectory,
            ["Database:Provider"] = nameof(DatabaseProvider.Sqlite),
            ["Messaging:Transport"] = nameof(MessagingTransport.InMemory),
            ["Seats:SeedDemoData"] = "true"
        });
        // The public address is the gateway's.
        builder.Configuration["urls"] = "http://127.0.0.1:0";
        builder.AddOrchestrator();
        builder.AddQueue();
        builder.AddSeats();
        builder.AddPoints();
        builder.AddPayments();
        builder.AddDataPlatform();
        builder.AddMessaging(bus =>
        {
            bus.AddOrchestratorConsumers(builder.Configuration);
            bus.AddQueueConsumers();
            bus.AddSeatsConsumers();
            bus.AddPointsConsumers();
            bus.AddPaymentsConsumers();
            bus.AddDataPlatformConsumers();
            bus.AddGatewayListeners();
        });
        builder.Services.AddSingleton(room);
        builder.Services.AddSingleton(changes);
        builder.Services.AddGeneratedDocs();

        var app = builder.Build();
        app.UseServiceDefaults();
        app.MapOrchestrator();
        app.MapQueue();
        app.MapSeats();
        app.MapPoints();
        app.MapPayments();
        app.MapDataPlatform();
        return app;
    }

    private static WebApplication BuildGateway(
        string[] args, DataDirectory data, string secret, Uri inner, WaitingRoom room, SeatChanges changes)
    {
        var builder = CreateBuilder(args, "gateway", secret, new()
        {
            ["urls"] = "http://localhost:8080",
            ["Authentication:Demo:Enabled"] = "true",
            ["Authentication:Demo:Key"] = data.DemoKey()
        }, export: false);
        builder.Services.AddSingleton(room);
        builder.Services.AddSingleton(changes);
        builder.AddGateway();
        foreach (var cluster in Clusters)
            builder.Configuration[$"ReverseProxy:Clusters:{cluster}:Destinations:one:Address"] = inner.AbsoluteUri;

        var app = builder.Build();
        app.UsePublicDefaults();
        app.MapGateway();
        return app;
    }

    private static WebApplicationBuilder CreateBuilder(
        string[] args, string name, string secret, Dictionary<string, string?> defaults, bool export = true)
    {
        var builder = WebApplication.CreateBuilder(new WebApplicationOptions { Args = args, ContentRootPath = AppContext.BaseDirectory });
        // Below everything an operator can set.
        ((IConfigurationBuilder)builder.Configuration).Sources.Insert(0, new Microsoft.Extensions.Configuration.Memory.MemoryConfigurationSource { InitialData = defaults });
        builder.Configuration["Gateway:Secret"] = secret;
        builder.AddServiceDefaults(name, export);
        return builder;
    }

    // The gateway opens when bookings can be taken; with a broker that is away it opens all the same, and serves reads.
    private static async Task WaitForBusAsync(IBusControl bus)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(10));
        try
        {
            await bus.WaitForHealthStatus(BusHealthStatus.Healthy, limit.Token);
        }
        catch (OperationCanceledException)
        {
        }
    }
}
