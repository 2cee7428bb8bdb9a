using ConcertSaga.Points.Consumers;
using ConcertSaga.Points.Data;
using ConcertSaga.Points.Endpoints;
using ConcertSaga.Shared.Hosting;
using ConcertSaga.Shared.Hosting.Databases;
using MassTransit;

namespace ConcertSaga.Points;

/// <summary>The points service: what each user has, and every change of it.</summary>
public static class PointsService
{
    /// <summary>Registers the options, the database and its cleaner.</summary>
    public static IHostApplicationBuilder AddPoints(this IHostApplicationBuilder builder)
    {
        builder.AddOptionsSection<PointsOptions>("Points");
        builder.Services.AddHostedService<ChargeKeyCleaner>();
        return builder.AddDatabase<PointsDbContext, SqlitePointsDbContext, PostgreSqlPointsDbContext, SqlServerPointsDbContext>("Points");
    }

    /// <summary>Registers the handlers of point commands.</summary>
    public static void AddPointsConsumers(this IBusRegistrationConfigurator bus)
    {
        bus.AddConsumer<DeductPointsConsumer, DeductPointsConsumerDefinition>();
        bus.AddConsumer<RefundPointsConsumer, RefundPointsConsumerDefinition>();
    }

    /// <summary>Maps <c>/api/points</c>.</summary>
    public static void MapPoints(this IEndpointRouteBuilder routes)
    {
        routes.MapAccount();
        routes.MapCharges();
    }
}
