using ConcertSaga.Contracts;
using ConcertSaga.Operations.Actions;
using ConcertSaga.Operations.Bulk;
using ConcertSaga.Operations.Customers;
using ConcertSaga.Operations.Data;
using ConcertSaga.Operations.Facts;
using ConcertSaga.Operations.FailedMessages;
using ConcertSaga.Operations.Invariants;
using ConcertSaga.Operations.Overview;
using ConcertSaga.Operations.Owners;
using ConcertSaga.Operations.Reservations;
using ConcertSaga.Operations.Schedules;
using ConcertSaga.OperatorConsole;
using ConcertSaga.Shared.Hosting;
using ConcertSaga.Shared.Hosting.Background;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Shared.Hosting.Messaging;
using ConcertSaga.Shared.Hosting.Operators;
using MassTransit;
using Microsoft.Extensions.Options;

namespace ConcertSaga.Operations;

/// <summary>
/// The operations service: failed messages of any service, changes of many objects, the overview of the system, and the comparison of what
/// the services have.
/// </summary>
public static class OperationsService
{
    /// <summary>The queues whose failures are kept: every permanent queue of the product.</summary>
    public static IReadOnlyList<string> Queues { get; } = [.. CommandQueues.All, .. EventQueues.All];

    /// <summary>Registers the options, the database and the background work.</summary>
    public static IHostApplicationBuilder AddOperations(this IHostApplicationBuilder builder)
    {
        builder.AddOptionsSection<OperationsOptions>("Operations");
        builder.Services.AddSingleton<FailedMessageIntake>();
        builder.Services.AddSingleton<FailedMessageMetrics>();
        builder.Services.AddSingleton<Requeuer>();
        builder.Services.AddSingleton<IOperationWork, FailedMessageWork>();
        builder.Services.AddSingleton<OwnerClient>();
        builder.Services.AddSingleton<IOperationWork, OwnerWork>();
        builder.Services.AddSingleton<IOperationWork, ErasureWork>();
        builder.Services.AddSingleton<SeatsClient>();
        builder.Services.AddSingleton<ScheduleCancellation>();
        builder.Services.AddSingleton<IOperationWork>(services => services.GetRequiredService<ScheduleCancellation>());
        builder.Services.AddSingleton<FactReader>();
        builder.Services.AddScoped<SelectionWriter>();
        builder.Services.AddSingleton<ServiceClient>();
        builder.Services.AddSingleton<QueueBacklogReader>();
        builder.Services.AddSingleton<OverviewReader>();
        builder.Services.AddConsole(ConsolePeers.AddressOf);
        builder.Services.AddHostedSingleton<FailedMessageCounter>().AddHostedSingleton<OperationRunner>()
            .AddHostedSingleton<OperationsCleaner>().AddHostedSingleton<ProcessMonitor>()
            .AddHostedSingleton<InvariantChecker>().AddHostedSingleton<InvariantMetrics>()
            .AddHostedSingleton<OperatorActionCleaner<OperationsDbContext>>();
        return builder.AddDatabase<OperationsDbContext, SqliteOperationsDbContext, PostgreSqlOperationsDbContext,
            SqlServerOperationsDbContext>("Operations");
    }

    /// <summary>Registers the receiver of failed messages.</summary>
    public static void AddOperationsConsumers(this IBusRegistrationConfigurator bus) =>
        bus.AddSingleton(new FailureReceiver(Queues, (services, queue, message) =>
            services.GetRequiredService<FailedMessageIntake>().StoreAsync(queue, message)));

    /// <summary>Maps the routes of operators.</summary>
    public static void MapOperations(this IEndpointRouteBuilder routes)
    {
        routes.MapFailedMessages();
        routes.MapBulk();
        routes.MapReservationBulk();
        routes.MapReservationReports();
        routes.MapDeliveryBulk();
        routes.MapScheduleCancellation();
        routes.MapErasure();
        routes.MapOverview();
        routes.MapInvariants();
        routes.MapActions();
        routes.MapOperatorActions<OperationsDbContext>("operations");
    }

    /// <summary>Stops the start of a standalone process that lacks the address of another service.</summary>
    public static Task RequireAddresses(IServiceProvider services, CancellationToken cancellationToken)
    {
        foreach (var (owner, address) in services.GetRequiredService<IOptions<OperationsOptions>>().Value.Services)
        {
            if (address is null)
                throw new StartupException($"Operations:{owner}Address is missing; allowed: the absolute address of the service, such as "
                    + $"http://{owner.ToString().ToLowerInvariant()}:8080.");
        }
        return Task.CompletedTask;
    }
}
