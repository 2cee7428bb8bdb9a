using ConcertSaga.Seats.Consumers;
using ConcertSaga.Seats.Data;
using ConcertSaga.Seats.Endpoints;
using ConcertSaga.Shared.Hosting;
using ConcertSaga.Shared.Hosting.Databases;
using MassTransit;
using Microsoft.Extensions.Options;

namespace ConcertSaga.Seats;

/// <summary>The seats service: which concerts there are, when, and whose each seat is.</summary>
public static class SeatsService
{
    /// <summary>Registers the options, the database and who announces its concerts.</summary>
    public static IHostApplicationBuilder AddSeats(this IHostApplicationBuilder builder)
    {
        builder.AddOptionsSection<SeatsOptions>("Seats");
        builder.Services.AddHostedService<ConcertAnnouncer>();
        return builder.AddDatabase<SeatsDbContext, SqliteSeatsDbContext, PostgreSqlSeatsDbContext, SqlServerSeatsDbContext>("Seats");
    }

    /// <summary>Registers the handlers of seat commands.</summary>
    public static void AddSeatsConsumers(this IBusRegistrationConfigurator bus)
    {
        bus.AddConsumer<HoldSeatsConsumer, HoldSeatsConsumerDefinition>();
        bus.AddConsumer<ConfirmSeatsConsumer, ConfirmSeatsConsumerDefinition>();
        bus.AddConsumer<ReleaseSeatsConsumer, ReleaseSeatsConsumerDefinition>();
    }

    /// <summary>Maps <c>/api/concerts</c>, <c>/api/schedules</c> and what other services ask for.</summary>
    public static void MapSeats(this IEndpointRouteBuilder routes)
    {
        routes.MapConcerts();
        routes.MapSchedules();
        routes.MapInternal();
    }

    /// <summary>
    /// Fills a database without concerts with demo data where <see cref="SeatsOptions.SeedDemoData"/> asks for it. The schema must be there.
    /// </summary>
    public static async Task SeedDemoDataAsync(IServiceProvider services, CancellationToken cancellationToken)
    {
        if (!services.GetRequiredService<IOptions<SeatsOptions>>().Value.SeedDemoData)
            return;
        await using var scope = services.CreateAsyncScope();
        await DemoData.SeedAsync(
            scope.ServiceProvider.GetRequiredService<SeatsDbContext>(), services.GetRequiredService<TimeProvider>().GetUtcNow(), cancellationToken);
    }
}
