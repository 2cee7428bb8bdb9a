using ConcertSaga.Contracts;
using ConcertSaga.Contracts.Points;
using ConcertSaga.Points.Background;
using ConcertSaga.Points.Consumers;
using ConcertSaga.Points.Data;
using ConcertSaga.Points.Endpoints;
using ConcertSaga.Shared.Hosting;
using ConcertSaga.Shared.Hosting.Background;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Shared.Hosting.Messaging;
using ConcertSaga.Shared.Hosting.Operators;
using MassTransit;

namespace ConcertSaga.Points;

/// <summary>The points service: owns the balance of each user and its ledger.</summary>
public static class PointsService
{
    /// <summary>Registers the options, the database and the cleaner.</summary>
    public static IHostApplicationBuilder AddPoints(this IHostApplicationBuilder builder)
    {
        builder.AddOptionsSection<PointsOptions>("Points");
        builder.Services.AddHostedSingleton<PointsCleaner>().AddHostedSingleton<OperatorActionCleaner<PointsDbContext>>();
        return builder.AddDatabase<PointsDbContext, SqlitePointsDbContext, PostgreSqlPointsDbContext, SqlServerPointsDbContext>("Points");
    }

    /// <summary>Registers the handlers of point commands and events.</summary>
    public static void AddPointsConsumers(this IBusRegistrationConfigurator bus)
    {
        bus.AddCommand<PointCommands, DeductPoints>(CommandQueues.DeductPoints);
        bus.AddCommand<PointCommands, RefundPoints>(CommandQueues.RefundPoints);
        bus.AddConsumer<ReservationsDeletedConsumer, ReservationsDeletedConsumerDefinition>();
    }

    /// <summary>Maps <c>/api/points</c> and the routes for other services.</summary>
    public static void MapPoints(this IEndpointRouteBuilder routes)
    {
        routes.MapAccount();
        routes.MapCharges();
        routes.MapPointFacts();
        routes.MapAccountErasure();
        routes.MapOperatorActions<PointsDbContext>("points");
    }
}
