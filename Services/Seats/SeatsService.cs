using ConcertSaga.Contracts;
using ConcertSaga.Contracts.Seats;
using ConcertSaga.Seats.Background;
using ConcertSaga.Seats.Consumers;
using ConcertSaga.Seats.Data;
using ConcertSaga.Seats.Endpoints;
using ConcertSaga.Shared.Hosting;
using ConcertSaga.Shared.Hosting.Background;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Shared.Hosting.Messaging;
using ConcertSaga.Shared.Hosting.Operators;
using MassTransit;
using Microsoft.Extensions.Options;

namespace ConcertSaga.Seats;

/// <summary>The seats service: owns concerts, schedules, seats and holds.</summary>
public static class SeatsService
{
    /// <summary>Registers the options, the database, the announcers and the cleaner.</summary>
    public static IHostApplicationBuilder AddSeats(this IHostApplicationBuilder builder)
    {
        builder.AddOptionsSection<SeatsOptions>("Seats");
        builder.Services.AddSingleton<SeatMapAnnouncer>();
        builder.Services.AddHostedService<ConcertAnnouncer>();
        builder.Services.AddHostedSingleton<SeatHoldCleaner>().AddHostedSingleton<OperatorActionCleaner<SeatsDbContext>>();
        return builder.AddDatabase<SeatsDbContext, SqliteSeatsDbContext, PostgreSqlSeatsDbContext, SqlServerSeatsDbContext>("Seats");
    }

    /// <summary>Registers the handlers of seat commands and events.</summary>
    public static void AddSeatsConsumers(this IBusRegistrationConfigurator bus)
    {
        bus.AddCommand<SeatCommands, HoldSeats>(CommandQueues.HoldSeats);
        bus.AddCommand<SeatCommands, ConfirmSeats>(CommandQueues.ConfirmSeats);
        bus.AddCommand<SeatCommands, ReleaseSeats>(CommandQueues.ReleaseSeats);
        bus.AddConsumer<ReservationsDeletedConsumer, ReservationsDeletedConsumerDefinition>();
    }

    /// <summary>Maps <c>/api/concerts</c>, <c>/api/schedules</c> and the routes for other services.</summary>
    public static void MapSeats(this IEndpointRouteBuilder routes)
    {
        routes.MapConcerts();
        routes.MapSchedules();
        routes.MapScheduleOperators();
        routes.MapVenuePlans();
        routes.MapInternal();
        routes.MapOperatorActions<SeatsDbContext>("seats");
        routes.MapSeatFacts();
        routes.MapHoldErasure();
    }

    /// <summary>
    /// Fills a database without concerts with demo data if <see cref="SeatsOptions.SeedDemoData"/> is set. The schema must exist.
    /// </summary>
    public static async Task SeedDemoDataAsync(IServiceProvider services, CancellationToken cancellationToken)
    {
        if (!services.GetRequiredService<IOptions<SeatsOptions>>().Value.SeedDemoData)
            return;
        await using var scope = services.CreateAsyncScope();
        await DemoData.SeedAsync(
            scope.ServiceProvider.GetRequiredService<SeatsDbContext>(), services.GetRequiredService<TimeProvider>().GetUtcNow(),
                cancellationToken);
    }
}
