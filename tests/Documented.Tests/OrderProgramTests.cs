using MassTransit.EntityFrameworkCoreIntegration;
using Microsoft.Data.Sqlite;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace ConcertSaga.Documented.Tests;

/// <summary>A program written from the documentation works.</summary>
public sealed class OrderProgramTests : IDisposable
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    private readonly string _folder = Directory.CreateTempSubdirectory("documented").FullName;

    public void Dispose()
    {
        SqliteConnection.ClearAllPools();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task Orders_Submitted_AreCompleted()
    {
        var cancellation = TestContext.Current.CancellationToken;
        using var host = OrderProgram.Build($"Data Source={Path.Combine(_folder, "orders.db")}",
            $"Data Source={Path.Combine(_folder, "parcels.db")}");
        await OrderProgram.CreateTablesAsync(host.Services, cancellation);
        await host.StartAsync(cancellation);

        var orders = Enumerable.Range(0, 5).Select(_ => Guid.CreateVersion7()).ToList();
        foreach (var order in orders)
            await OrderProgram.SubmitAsync(host.Services, order, "mina", cancellation);
        var completions = host.Services.GetRequiredService<OrderProgram.Completions>();
        await Task.WhenAll(orders.Select(order => completions.Of(order).Task)).WaitAsync(Limit, cancellation);

        await host.StopAsync(cancellation);
        using var reopened = OrderProgram.Build($"Data Source={Path.Combine(_folder, "orders.db")}",
            $"Data Source={Path.Combine(_folder, "parcels.db")}");
        await using var scope = reopened.Services.CreateAsyncScope();
        var database = scope.ServiceProvider.GetRequiredService<OrderDbContext>();
        Assert.Equal(5, await database.Set<OrderState>()
            .CountAsync(order => order.CurrentState == "Completed" && order.Customer == "mina", cancellation));
        Assert.Empty(await database.Set<OutboxMessage>().ToListAsync(cancellation));
        Assert.Equal(5, await scope.ServiceProvider.GetRequiredService<ParcelStateDbContext>().Set<ParcelState>().CountAsync(cancellation));
    }
}
