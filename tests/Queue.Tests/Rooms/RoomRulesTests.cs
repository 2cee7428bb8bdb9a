using ConcertSaga.Queue.Rooms;
using ConcertSaga.Shared.Hosting;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Configuration;
using Xunit;

namespace ConcertSaga.Queue.Tests.Rooms;

public sealed class RoomRulesTests
{
    [Theory]
    [InlineData("Queue:ClaimWindow", "00:00:02", "Queue:ClaimWindow")]
    [InlineData("Queue:PlaceLifetime", "00:01:30",
        "Queue:ClaimWindow is 00:01:00; allowed: at most Queue:PlaceLifetime, which is 00:01:30")]
    [InlineData("Queue:SeatsAddress", "ftp://seats/", "Queue:SeatsAddress is 'ftp://seats/'")]
    [InlineData("Queue:OrchestratorAddress", "http://u:secret@orchestrator/", "Queue:OrchestratorAddress has a user name")]
    public void Start_WithSettingsThatCannotWork_IsRefusedInOneLine(string key, string value, string message)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Configuration.AddInMemoryCollection(
            [new(key, value), new("Database:Provider", "Sqlite"), new("DataDirectory", Path.GetTempPath())]);

        var refused = Assert.Throws<StartupException>(() => builder.AddQueue());

        Assert.Contains(message, refused.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("secret", refused.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', refused.Message);
    }

    [Fact]
    public void Defaults_OfAllSettings_FitEachOther() => RoomRules.Check(new QueueOptions());
}
