using System.Net.Http.Json;
using ConcertSaga.Queue.Admission;
using ConcertSaga.Queue.Rooms;
using ConcertSaga.Queue.Tests.Fixtures;
using ConcertSaga.Shared.Hosting.Databases;
using ConcertSaga.Shared.Hosting.Http;
using ConcertSaga.Testing.Servers;
using ConcertSaga.Testing.Services;
using Microsoft.EntityFrameworkCore;
using Xunit;

namespace ConcertSaga.Queue.Tests.Rooms;

/// <summary>The counts by minute of a waiting room.</summary>
public sealed class RoomSamplerTests(PostgreSqlServer server)
{
    public static IEnumerable<object[]> Providers => TestDatabase.Providers;

    /// <summary>Two replicas sample, and each does so twice in the first minute.</summary>
    [Theory, MemberData(nameof(Providers))]
    public async Task Minutes_OfARoom_CountWhatHappenedInEach(DatabaseProvider provider)
    {
        await using var queue = await QueueUnderTest.StartAsync(provider, server, replicas: 2);
        var start = queue.Clock.GetUtcNow();
        await queue.EnterAsync("user-0");
        await SampleAsync(queue, 2);
        for (var i = 1; i < 5; i++)
            await queue.EnterAsync($"user-{i}");
        await queue.TickAsync();
        await SampleAsync(queue, 2);
        queue.Clock.Advance(TimeSpan.FromMinutes(1));
        await SampleAsync(queue, 2);
        await queue.EnterAsync("user-5");

        var minutes = (await ReadAsync(queue))!;

        Assert.Equal([new RoomMinute(start, 4, 2, 1, 0), new RoomMinute(start.AddMinutes(1), 1, 0, 3, 2)], minutes);
        // Without customers there is nothing to show, and the list has none.
        await queue.AddConcertAsync(2);
        await SampleAsync(queue, 2);
        Assert.Empty((await ReadAsync(queue, 2))!);
        using var answer = await queue.SendAsync(HttpMethod.Get, "/ops/api/waiting-rooms", "olga", roles: "ops");
        Assert.All((await answer.Content.ReadFromJsonAsync<Page<RoomView>>())!.Items,
            room => Assert.Null(room.Minutes));
    }

    [Theory, MemberData(nameof(Providers))]
    public async Task Samples_OfMoreThanAnHour_AreDeleted(DatabaseProvider provider)
    {
        await using var queue = await QueueUnderTest.StartAsync(provider, server);
        await queue.EnterAsync("user-0");
        for (var minute = 0; minute < 70; minute++)
        {
            await SampleAsync(queue);
            queue.Clock.Advance(TimeSpan.FromMinutes(1));
        }

        Assert.Equal(61, await queue.ReadAsync(database => database.Samples.CountAsync()));
    }

    private static async Task SampleAsync(QueueUnderTest queue, int replicas = 1)
    {
        for (var replica = 0; replica < replicas; replica++)
            await queue.WithAsync<RoomSampler>(sampler => sampler.RunOnceAsync(CancellationToken.None), replica);
    }

    private static async Task<IReadOnlyList<RoomMinute>?> ReadAsync(QueueUnderTest queue, int concertId = 1)
    {
        using var answer = await queue.SendAsync(HttpMethod.Get, $"/ops/api/waiting-rooms/{concertId}", "olga", roles: "ops");
        return (await answer.Content.ReadFromJsonAsync<RoomView>())!.Minutes;
    }
}
