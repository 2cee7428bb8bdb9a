using System.Security.Cryptography;
using ConcertSaga.DataPlatform;
using ConcertSaga.Gateway;
using ConcertSaga.Gateway.Queue;
using ConcertSaga.Gateway.Seats;
using ConcertSaga.Operations;
using ConcertSaga.OperatorConsole;
using ConcertSaga.Orchestrator;
using ConcertSaga.Payments;
using ConcertSaga.Points;
using ConcertSaga.Queue;
using ConcertSaga.Seats;
using ConcertSaga.Shared.Hosting;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Shared.Hosting.Messaging;
using MassTransit;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Options;

namespace ConcertSaga.AllInOne;

/// <summary>
/// Runs the whole system in one process with two hosts: all services on a loopback port, with one bus and one database file each, and the
/// gateway in front. The hosts share only the address, the gateway's secret and the state that the bus updates for the gateway. The public
/// port therefore reaches exactly what the gateway routes.
/// </summary>
public static class EmbeddedSystem
{
    private const string PublicAddress = "http://localhost:8080";

    private static readonly string[] Clusters = ["orchestrator", "queue", "seats", "points", "dataplatform", "operations"];

    /// <summary>Serves until the process is asked to stop.</summary>
    public static async Task RunAsync(string[] args)
    {
        // The hosts are built from these values, so they are read before any host exists.
        var configuration = ReadConfiguration(args);
        using var data = DataDirectory.Open(configuration["DataDirectory"]);
        var databases = DatabasesIn(configuration);
        data.RefuseIncomplete(databases);
        var secret = configuration["Gateway:Secret"] is { Length: > 0 } given ? given
            : Convert.ToHexString(RandomNumberGenerator.GetBytes(32));

        // The services' bus updates both, and the gateway reads them.
        var room = new RoomDirectory(TimeProvider.System);
        var changes = new SeatChangeFeed();

        await using var receiver = await DefaultDestination.StartAsync(configuration);
        await using var services = BuildServices(args, data.Path, secret, room, changes,
            [.. DefaultDestination.SettingsOf(receiver), new("Tickets:KeyFile", data.EnsureTicketKeys())]);
        // An invalid setting must stop the start before a database is touched.
        var gatewayBuilder = CreateGatewayBuilder(args, data.ReadDemoKey(), data.KeyFolder, secret, room, changes,
            services.Services.GetRequiredService<HealthCheckService>());
        await services.Services.RefuseNewerAsync(CancellationToken.None);
        await services.Services.MigrateAsync(CancellationToken.None);
        data.RememberDatabases(databases);
        await SeatsService.SeedDemoDataAsync(services.Services, CancellationToken.None);
        await ServiceHost.StartAsync(services);
        // The port is known only now. Tasks that need these addresses retry until they are set.
        var inner = new Uri(services.Urls.First());
        services.Services.GetRequiredService<IOptions<QueueOptions>>().Value.SeatsAddress ??= inner;
        services.Services.GetRequiredService<IOptions<ReservationOptions>>().Value.SeatsAddress ??= inner;
        services.Services.GetRequiredService<IOptions<ReservationOptions>>().Value.DataPlatformAddress ??= inner;
        services.Services.GetRequiredService<IOptions<QueueOptions>>().Value.OrchestratorAddress ??= inner;
        services.Services.GetRequiredService<IOptions<DataPlatformOptions>>().Value.OrchestratorAddress ??= inner;
        services.Services.GetRequiredService<IOptions<OperationsOptions>>().Value.UseAddress(inner);
        try
        {
            await using var gateway = BuildGateway(gatewayBuilder, inner);
            await WaitForBusAsync(services.Services.GetRequiredService<IBusControl>());
            // The stop of one host stops the other.
            await using var _ = services.Lifetime.ApplicationStopping.Register(gateway.Lifetime.StopApplication);
            await ServiceHost.StartAsync(gateway);
            await Console.Out.WriteLineAsync($"ConcertSaga serves on {string.Join(", ", gateway.Urls)}; data in {data.Path}.");
            if (receiver is not null)
                await Console.Out.WriteLineAsync($"Events received by the data platform: {new Uri(receiver.Address, "/received")}");
            await gateway.WaitForShutdownAsync();
            ServiceHost.CheckBackground(gateway.Services);
            ServiceHost.CheckBackground(services.Services);
        }
        finally
        {
            await services.StopAsync();
        }
    }

    internal static WebApplication BuildServices(
        string[] args, string dataDirectory, string secret, RoomDirectory room, SeatChangeFeed changes,
            IEnumerable<KeyValuePair<string, string?>> defaults)
    {
        var app = CreateServicesBuilder(args, dataDirectory, secret, room, changes, defaults).Build();
        app.UseServiceDefaults();
        app.MapOrchestrator();
        app.MapQueue();
        app.MapSeats();
        app.MapPoints();
        app.MapPayments();
        app.MapDataPlatform();
        app.MapOperations();
        app.MapConsole();
        return app;
    }

    internal static WebApplicationBuilder CreateServicesBuilder(
        string[] args, string dataDirectory, string secret, RoomDirectory room, SeatChangeFeed changes,
            IEnumerable<KeyValuePair<string, string?>> defaults)
    {
        var builder = CreateBuilder(args, "services", secret, new(defaults)
        {
            ["Database:Provider"] = nameof(DatabaseProvider.Sqlite),
            ["Messaging:Transport"] = nameof(MessagingTransport.InMemory),
            ["Seats:SeedDemoData"] = "true"
        });
        builder.Configuration["DataDirectory"] = dataDirectory;
        // The configured address belongs to the gateway, and so do the signals to stop: this host stops after the gateway.
        builder.Configuration["urls"] = "http://127.0.0.1:0";
        builder.Services.AddSingleton<IHostLifetime, NoLifetime>();
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
            bus.AddGatewayListeners();
        });
        builder.Services.AddSingleton(room);
        builder.Services.AddSingleton(changes);
        builder.Services.AddGeneratedDocs();
        return builder;
    }

    internal static WebApplicationBuilder CreateGatewayBuilder(
        string[] args, string demoKey, string keyFolder, string secret, RoomDirectory room, SeatChangeFeed changes,
        HealthCheckService health)
    {
        var builder = CreateBuilder(args, "gateway", secret, new()
        {
            ["urls"] = PublicAddress,
            ["Authentication:Demo:Enabled"] = "true",
            ["Authentication:Demo:Key"] = demoKey,
            ["Authentication:Pages:KeyFolder"] = keyFolder
        }, export: false);
        if (string.IsNullOrWhiteSpace(builder.Configuration["urls"]))
            builder.Configuration["urls"] = PublicAddress;
        builder.Services.AddSingleton(room);
        builder.Services.AddSingleton(changes);
        // The gateway has the only public address, so its health covers the services too.
        builder.Services.AddHealthChecks().AddCheck("services", new ServicesHealth(health), tags: [ServiceDefaults.ReportedElsewhere]);
        PointClusters(builder, new Uri("http://127.0.0.1"));
        builder.AddGateway();
        return builder;
    }

    internal static WebApplication BuildGateway(WebApplicationBuilder builder, Uri inner)
    {
        PointClusters(builder, inner);
        var app = builder.Build();
        app.UsePublicDefaults();
        app.MapGateway();
        return app;
    }

    private static void PointClusters(WebApplicationBuilder builder, Uri inner)
    {
        foreach (var cluster in Clusters)
            builder.Configuration[$"ReverseProxy:Clusters:{cluster}:Destinations:one:Address"] = inner.AbsoluteUri;
    }

    private static WebApplicationBuilder CreateBuilder(
        string[] args, string name, string secret, Dictionary<string, string?> defaults, bool export = true)
    {
        var builder = WebApplication.CreateBuilder(new WebApplicationOptions { Args = args, ContentRootPath = AppContext.BaseDirectory });
        // The first source has the lowest priority, so an operator can override each default.
        ((IConfigurationBuilder)builder.Configuration).Sources.Insert(0,
            new Microsoft.Extensions.Configuration.Memory.MemoryConfigurationSource { InitialData = defaults });
        builder.Configuration["Gateway:Secret"] = secret;
        // Both hosts would listen on such an endpoint, and the services must stay behind the gateway.
        if (builder.Configuration.GetSection("Kestrel:Endpoints").GetChildren().FirstOrDefault() is { } endpoint)
            throw new StartupException($"{endpoint.Path} is not a setting of AllInOne; allowed: --urls=http://localhost:8080.");
        builder.AddServiceDefaults(name, export);
        return builder;
    }

    /// <summary>Reads the configuration of both hosts without the defaults of AllInOne.</summary>
    internal static IConfigurationRoot ReadConfiguration(string[] args) =>
        new ConfigurationBuilder().SetBasePath(AppContext.BaseDirectory).AddJsonFile("appsettings.json", optional: true)
            .AddEnvironmentVariables().AddCommandLine(args).Build();

    /// <summary>The databases in the data folder, which are those without a connection string.</summary>
    internal static string[] DatabasesIn(IConfiguration configuration) =>
        configuration.Read("Database:Provider", DatabaseProvider.Sqlite) == DatabaseProvider.Sqlite
            ? [.. DataDirectory.Databases.Where(file =>
                string.IsNullOrWhiteSpace(configuration[$"ConnectionStrings:{Path.GetFileNameWithoutExtension(file)}"]))] : [];

    /// <summary>Leaves the signals of the process to another host.</summary>
    private sealed class NoLifetime : IHostLifetime
    {
        public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }

    // Waits until bookings can be accepted. Without a broker the gateway opens after the limit and serves reads.
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
