using ConcertSaga.Queue.Consumers;
using ConcertSaga.Queue.Data;
using ConcertSaga.Queue.Domain;
using ConcertSaga.Queue.Endpoints;
using ConcertSaga.Shared.Hosting;
using ConcertSaga.Shared.Hosting.Databases;
using MassTransit;
using Microsoft.Extensions.Options;

namespace ConcertSaga.Queue;

/// <summary>The waiting room: who stands where in line, and who may come in.</summary>
public static class QueueService
{
    /// <summary>Registers the options, the database and everything that runs by itself.</summary>
    public static IHostApplicationBuilder AddQueue(this IHostApplicationBuilder builder)
    {
        builder.AddOptionsSection<QueueOptions>("Queue");
        builder.Services.AddSingleton(new PaymentTime(builder.Configuration.Read("Reservation:HoldDuration", TimeSpan.FromMinutes(5))));
        builder.Services.AddSingleton<BookingWatch>();
        builder.Services.AddSingleton<Rooms>();
        builder.Services.AddSingleton<QueueMetrics>();
        builder.Services.AddSingleton<Entries>();
        builder.Services.AddSingleton<TokenSigner>();
        builder.Services.AddSingleton<TokenViews>();
        builder.Services.AddScoped<Places>();
        builder.Services.AddRunning<KeyRing>().AddRunning<Concerts>().AddRunning<Announcements>().AddRunning<Admissions>()
            .AddRunning<PlaceCleaner>();
        return builder.AddDatabase<QueueDbContext, SqliteQueueDbContext, PostgreSqlQueueDbContext, SqlServerQueueDbContext>("Queue");
    }

    /// <summary>Registers the handlers of what the other services tell.</summary>
    public static void AddQueueConsumers(this IBusRegistrationConfigurator bus)
    {
        bus.AddConsumer<ReservationConfirmedConsumer, ReservationConfirmedConsumerDefinition>();
        bus.AddConsumer<ConcertPublishedConsumer, ConcertPublishedConsumerDefinition>();
        bus.AddConsumer<BookingReportedConsumer, BookingReportedConsumerDefinition>();
    }

    /// <summary>Maps <c>/api/queue</c>, what gateways ask for, and what operators do.</summary>
    public static void MapQueue(this IEndpointRouteBuilder routes)
    {
        routes.MapTokens();
        routes.MapSnapshot();
        routes.MapRooms();
    }

    /// <summary>Stops the start of a process by itself that does not know where the concerts come from.</summary>
    public static Task RequireSeatsAddress(IServiceProvider services, CancellationToken cancellationToken) =>
        services.GetRequiredService<IOptions<QueueOptions>>().Value.SeatsAddress is { IsAbsoluteUri: true }
            ? Task.CompletedTask
            : throw new StartupException("Queue:SeatsAddress is missing; allowed: the absolute address of the seats service, such as http://seats:8080.");

    private static IServiceCollection AddRunning<T>(this IServiceCollection services)
        where T : class, IHostedService =>
        services.AddSingleton<T>().AddHostedService(provider => provider.GetRequiredService<T>());
}
