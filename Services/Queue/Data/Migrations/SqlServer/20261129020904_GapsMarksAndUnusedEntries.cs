using System;
using Microsoft.EntityFrameworkCore.Migrations;

#nullable disable

namespace ConcertSaga.Queue.Data.Migrations.SqlServer
{
    /// <inheritdoc />
    public partial class GapsMarksAndUnusedEntries : Migration
    {
        /// <inheritdoc />
        protected override void Up(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.AddColumn<DateTimeOffset>(
                name: "OfferedAt",
                table: "QueueTokens",
                type: "datetimeoffset",
                nullable: true);

            migrationBuilder.AddColumn<string>(
                name: "Gaps",
                table: "QueueCounters",
                type: "nvarchar(4000)",
                maxLength: 4000,
                nullable: true,
                collation: "Latin1_General_100_BIN2");

            migrationBuilder.CreateTable(
                name: "QueueMarks",
                columns: table => new
                {
                    Name = table.Column<string>(type: "nvarchar(64)", maxLength: 64, nullable: false, collation: "Latin1_General_100_BIN2"),
                    At = table.Column<DateTimeOffset>(type: "datetimeoffset", nullable: false)
                },
                constraints: table =>
                {
                    table.PrimaryKey("PK_QueueMarks", x => x.Name);
                });

            migrationBuilder.CreateIndex(
                name: "IX_QueueTokens_Unused",
                table: "QueueTokens",
                columns: new[] { "UserId", "ConcertId" },
                filter: "\"Status\" IN ('Left', 'Expired')");
        }

        /// <inheritdoc />
        protected override void Down(MigrationBuilder migrationBuilder)
        {
            migrationBuilder.DropTable(
                name: "QueueMarks");

            migrationBuilder.DropIndex(
                name: "IX_QueueTokens_Unused",
                table: "QueueTokens");

            migrationBuilder.DropColumn(
                name: "OfferedAt",
                table: "QueueTokens");

            migrationBuilder.DropColumn(
                name: "Gaps",
                table: "QueueCounters");
        }
    }
}
