using ConcertSaga.DataPlatform;
using ConcertSaga.Gateway;
using ConcertSaga.Gateway.Queue;
using ConcertSaga.Gateway.Seats;
using ConcertSaga.Operations;
using ConcertSaga.Orchestrator;
using ConcertSaga.Payments;
using ConcertSaga.Points;
using ConcertSaga.Queue;
using ConcertSaga.Seats;
using ConcertSaga.Shared.Hosting;
using ConcertSaga.Shared.Hosting.Messaging;
using MassTransit;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace ConcertSaga.AllInOne.Tests.Settings;

/// <summary>
/// Builds the host of every process as its program does, up to the validation of all settings.
/// </summary>
internal static class Hosts
{
    public const string AllInOne = "AllInOne", AllInOneGateway = "AllInOne's gateway", Gateway = "Gateway";

    private static readonly string[] Clusters = ["orchestrator", "queue", "seats", "points", "dataplatform", "operations"];

    private static readonly Dictionary<string, Func<string[], WebApplicationBuilder>> All = new()
    {
        [AllInOne] = args => EmbeddedSystem.CreateServicesBuilder(
            args, Path.GetTempPath(), new string('-', 32), new RoomDirectory(TimeProvider.System), new SeatChangeFeed(), []),
        [AllInOneGateway] = args => EmbeddedSystem.CreateGatewayBuilder(
            args, Convert.ToBase64String(new byte[32]), "", new string('-', 32), new RoomDirectory(TimeProvider.System),
                new SeatChangeFeed(), new NoHealth()),
        [Gateway] = args => Service(args, builder => builder.AddGateway(), bus => bus.AddGatewayListeners(),
            ["--Authentication:Demo:Enabled=true",
                .. Clusters.Select(cluster => $"--ReverseProxy:Clusters:{cluster}:Destinations:one:Address=http://127.0.0.1:1")]),
        ["Orchestrator"] = args =>
            Service(args, builder => builder.AddOrchestrator(), (bus, builder) => bus.AddOrchestratorConsumers(builder.Configuration)),
        ["Queue"] = args => Service(args, builder => builder.AddQueue(), bus => bus.AddQueueConsumers()),
        ["Seats"] = args => Service(args, builder => builder.AddSeats(), bus => bus.AddSeatsConsumers()),
        ["Points"] = args => Service(args, builder => builder.AddPoints(), bus => bus.AddPointsConsumers()),
        ["Payments"] = args => Service(args, builder => builder.AddPayments(), bus => bus.AddPaymentsConsumers()),
        ["DataPlatform"] = args => Service(args, builder => builder.AddDataPlatform(), bus => bus.AddDataPlatformConsumers()),
        ["Operations"] = args => Service(args, builder => builder.AddOperations(), bus => bus.AddOperationsConsumers())
    };

    // Hundreds of builders would otherwise use up the file watchers of the user.
    static Hosts() => Environment.SetEnvironmentVariable("DOTNET_hostBuilder__reloadConfigOnChange", "false");

    public static IReadOnlyCollection<string> Names => All.Keys;

    /// <summary>Builds the host of a process. The arguments override its required settings.</summary>
    public static WebApplicationBuilder Build(string host, params string[] args) => All[host](args);

    private static WebApplicationBuilder Service(
        string[] args, Action<WebApplicationBuilder> add, Action<IBusRegistrationConfigurator> consumers, string[]? required = null) =>
        Service(args, add, (bus, _) => consumers(bus), required);

    private static WebApplicationBuilder Service(
        string[] args, Action<WebApplicationBuilder> add, Action<IBusRegistrationConfigurator, WebApplicationBuilder> consumers,
            string[]? required = null)
    {
        string[] all =
        [
            "--Gateway:Secret=0123456789abcdef0123456789abcdef", "--Database:Provider=Sqlite", $"--DataDirectory={Path.GetTempPath()}",
                "--Messaging:Transport=InMemory",
            .. required ?? [], .. args
        ];
        var builder = WebApplication.CreateBuilder(new WebApplicationOptions { Args = all, ContentRootPath = AppContext.BaseDirectory });
        builder.AddServiceDefaults("test");
        add(builder);
        builder.AddMessaging(bus => consumers(bus, builder));
        return builder;
    }

    private sealed class NoHealth : HealthCheckService
    {
        public override Task<HealthReport> CheckHealthAsync(Func<HealthCheckRegistration, bool>? predicate,
            CancellationToken cancellationToken = default) =>
            throw new NotSupportedException();
    }
}
